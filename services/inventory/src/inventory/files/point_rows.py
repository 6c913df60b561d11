"""One row of a file as a point, with everything that is wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from common.tables.table import SHOWN
from common.validation import violations
from rapidfuzz import fuzz, process
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.point_transfer_pb2 import RowError

from inventory.domain.places import Places
from inventory.files.point_columns import ENUMERATIONS, split_list, split_pairs

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
WHOLE = re.compile(r"[0-9]{1,9}(\.0+)?")
"""A count; a spreadsheet may write it with zeros behind the point."""
MAX_LATITUDE, MAX_LONGITUDE = 90, 180
NEEDED = ("display_name", "kind")
"""What a new point must have beside its code and its place."""
COLUMN_OF_FIELD = {
    "displayName": "display_name",
    "externalIds": "external_ids",
    "locationSource": "location_source",
    "peopleServed": "people_served",
}


@dataclass(slots=True)
class RowReader:
    """Reads rows of one file; errors gather in `errors`."""

    places: Places
    errors: list[RowError] = field(default_factory=list)

    def read(self, number: int, cells: Mapping[str, str], stored: Point | None) -> Point:
        """Return the point that the row means, on top of what is stored of it.

        `cells` has the columns that the file has, by their meaning.
        """
        row = _Row(self.places, number, cells, self.errors)
        point = Point(name=f"regions/{self.places.region}/points/{cells['point_id']}")
        if stored:
            point.CopyFrom(stored)
            point.ClearField("contact")
        row.fill(point, stored)
        return point


@dataclass(slots=True)
class _Row:
    places: Places
    number: int
    cells: Mapping[str, str]
    errors: list[RowError]
    wrong: set[str] = field(default_factory=set)

    def fill(self, point: Point, stored: Point | None) -> None:
        """Set what the cells say and note what is wrong."""
        self._texts(point)
        self._enumerations(point, stored)
        self._lists(point)
        self._people(point)
        self._location(point)
        self._place(point)
        if stored is None:
            for column in NEEDED:
                if not self.cells.get(column) and column not in self.wrong:
                    self._refuse(column, "VALUE_MISSING", "a new point must have one")
        for violation in violations(point):
            top = violation.field.partition(".")[0].partition("[")[0]
            column = COLUMN_OF_FIELD.get(top, top)
            if column not in self.wrong and column != "location":
                self._refuse(column, "VALUE_INVALID", violation.message)

    def _texts(self, point: Point) -> None:
        for column in ("display_name", "address", "source"):
            if column in self.cells:
                setattr(point, column, self.cells[column])

    def _enumerations(self, point: Point, stored: Point | None) -> None:
        for column, wrapper in ENUMERATIONS.items():
            if column not in self.cells:
                continue
            text = self.cells[column].upper()
            allowed = wrapper.keys()[1:]
            if text and text not in allowed:
                self._refuse(column, "VALUE_UNKNOWN", f"allowed are {', '.join(allowed)}")
            elif column == "state":
                self._state(point, stored, text)
            else:
                setattr(point, column, wrapper.Value(text) if text else 0)

    def _state(self, point: Point, stored: Point | None, text: str) -> None:
        now = Point.State.Name(stored.state) if stored else "PLANNED"
        point.state = Point.State.Value(now)
        if text not in ("", now):
            sentence = (
                f"the point is {now}; states are changed by activate, suspend, resume, retire"
            )
            self._refuse("state", "STATE_NOT_IMPORTED", sentence)

    def _lists(self, point: Point) -> None:
        if "tags" in self.cells:
            del point.tags[:]
            point.tags.extend(dict.fromkeys(split_list(self.cells["tags"])))
        if "external_ids" in self.cells:
            point.external_ids.clear()
            try:
                point.external_ids.update(split_pairs(self.cells["external_ids"]))
            except ValueError:
                sentence = "write key=value, several separated by semicolons, as npsn=30405272"
                self._refuse("external_ids", "VALUE_INVALID", sentence)

    def _people(self, point: Point) -> None:
        text = self.cells.get("people_served", "").strip()
        if "people_served" in self.cells:
            point.ClearField("people_served")
        if text and WHOLE.fullmatch(text):
            point.people_served = int(text.partition(".")[0])
        elif text:
            sentence = "write a whole number of people from 0 to 1000000, without separators"
            self._refuse("people_served", "NUMBER_INVALID", sentence)

    def _location(self, point: Point) -> None:
        if "latitude" not in self.cells and "longitude" not in self.cells:
            return
        latitude = self._degrees("latitude", MAX_LONGITUDE)
        longitude = self._degrees("longitude", MAX_LONGITUDE)
        if {"latitude", "longitude"} & self.wrong:
            return
        if latitude is None or longitude is None:
            point.ClearField("location")
            if latitude is not longitude:
                empty = "latitude" if latitude is None else "longitude"
                self._refuse(empty, "LOCATION_HALF", "give both latitude and longitude or neither")
        elif abs(latitude) > MAX_LATITUDE:
            self._refuse("latitude", *_too_far_north(latitude, longitude))
        else:
            point.location.latitude, point.location.longitude = latitude, longitude

    def _degrees(self, column: str, limit: float) -> float | None:
        """Return the number in a cell; a decimal comma is read as a point."""
        text = self.cells.get(column, "").strip().replace("\N{MINUS SIGN}", "-")
        if not text:
            return None
        if text.count(",") == 1 and "." not in text:
            text = text.replace(",", ".")
        if not NUMBER.fullmatch(text):
            sentence = 'write decimal degrees as -1.9 (or "-1,9" in quotation marks)'
            self._refuse(column, "NUMBER_INVALID", sentence)
            return None
        value = float(text)
        if not abs(value) <= limit:
            sentence = f"must be between {-limit} and {limit} degrees"
            self._refuse(column, "OUT_OF_RANGE", sentence)
        return value

    def _place(self, point: Point) -> None:
        places = self.places
        region = f"regions/{places.region}"
        if "district" in self.cells:
            code = self._code("district", places.districts, places.district_names)
            point.district = f"{region}/districts/{code}" if code else ""
        if "village" in self.cells:
            code = self._code("village", places.districts_of_villages, places.village_names)
            point.village = f"{region}/villages/{code}" if code else ""
        if {"village", "district"} & self.wrong:
            return
        self._settle_district(point, region)

    def _settle_district(self, point: Point, region: str) -> None:
        if point.village:
            code = self.places.districts_of_villages[point.village.rpartition("/")[2]]
            district = f"{region}/districts/{code}"
            if self.cells.get("district") and point.district != district:
                sentence = f"the village lies in {code}; correct one of the two"
                self._refuse("district", "DISTRICT_CONTRADICTS_VILLAGE", sentence)
            point.district = district
        elif not point.district:
            sentence = "give the village, or the district when the village is not known"
            self._refuse("village", "PLACE_MISSING", sentence)

    def _code(
        self, column: str, codes: Mapping[str, str] | frozenset[str], names: Mapping[str, str]
    ) -> str:
        """Return the code that a cell means: a code, a resource name, or a name or alias."""
        text = self.cells[column].rpartition("/")[2].strip()
        found = text if text in codes else names.get(text.lower(), "")
        if text and not found:
            nearest = process.extractOne(
                text.lower(), names.keys(), scorer=fuzz.ratio, score_cutoff=60
            )
            hint = f"; did you mean {nearest[0].title()} ({names[nearest[0]]})?" if nearest else ""
            sentence = f"is no {column} of region {self.places.region}{hint}"
            self._refuse(column, f"{column.upper()}_UNKNOWN", sentence)
        return found

    def _refuse(self, column: str, reason: str, sentence: str) -> None:
        self.wrong.add(column)
        value = self.cells.get(column, "")[:SHOWN]
        self.errors.append(
            RowError(row=self.number, column=column, value=value, reason=reason, message=sentence)
        )


def _too_far_north(latitude: float, longitude: float) -> tuple[str, str]:
    if abs(longitude) <= MAX_LATITUDE:
        sentence = (
            f"latitude and longitude look swapped: latitude should be {longitude} "
            f"and longitude {latitude}"
        )
        return "LATITUDE_LONGITUDE_SWAPPED", sentence
    return "OUT_OF_RANGE", f"must be between {-MAX_LATITUDE} and {MAX_LATITUDE} degrees"
