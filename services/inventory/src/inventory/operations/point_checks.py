"""What the proto's rules cannot see of a point: its village, its district, its location."""

from dataclasses import dataclass

from common.errors import Violation
from common.names import last_id, region_of
from common.postgres.database import Connection
from smartcity.inventory.v1 import point_pb2
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.type.v1 import provenance_pb2

from inventory.domain.geography import Boundaries, Oddity
from inventory.storage import regions
from inventory.storage.boundaries import BoundaryCache

PLACE_MISSING = "give the village, or the district when the village is not known"

TRIMMED = ("display_name", "address", "source")


@dataclass(frozen=True, slots=True)
class PointCheck:
    """Completes a draft and returns its violations; `district_given` when the caller sent one."""

    boundaries: BoundaryCache
    district_given: bool

    async def __call__(self, connection: Connection, point: Point) -> list[Violation]:
        """Set defaults, district and warnings in place; return what is wrong."""
        set_defaults(point)
        wrong = await self._place(connection, point)
        if not wrong and _on_earth(point):
            region = region_of(point.name)
            set_warnings(point, await self.boundaries.read(connection, region))
        return wrong

    async def _place(self, connection: Connection, point: Point) -> list[Violation]:
        if point.village:
            return await self._village(connection, point)
        if point.district:
            return await _district(connection, point)
        return [Violation("point.village", PLACE_MISSING, "PLACE_MISSING")]

    async def _village(self, connection: Connection, point: Point) -> list[Violation]:
        region, code = region_of(point.name), last_id(point.village)
        village = None
        if region_of(point.village) == region:
            village = await regions.read_village(connection, region, code)
        if village is None:
            return [_unknown("point.village", point.village, region, "VILLAGE_UNKNOWN")]
        if self.district_given and point.district not in ("", village.district):
            sentence = f"{point.village} lies in {village.district}; leave the district out"
            return [Violation("point.district", sentence, "DISTRICT_CONTRADICTS_VILLAGE")]
        point.district = village.district
        return []


def _on_earth(point: Point) -> bool:
    """Tell whether there is a location and its numbers are such as a place has."""
    at = point.location
    return point.HasField("location") and abs(at.latitude) <= 90 and abs(at.longitude) <= 180  # noqa: PLR2004


async def _district(connection: Connection, point: Point) -> list[Violation]:
    region = region_of(point.name)
    district = None
    if region_of(point.district) == region:
        district = await regions.read_district(connection, region, last_id(point.district))
    if district is None:
        return [_unknown("point.district", point.district, region, "DISTRICT_UNKNOWN")]
    return []


def trim(point: Point) -> None:
    """Take away outer blanks, which nobody sees and no spreadsheet keeps."""
    for field in TRIMMED:
        setattr(point, field, getattr(point, field).strip())
    for key, value in point.external_ids.items():
        point.external_ids[key] = value.strip()
    if point.HasField("contact") and not point.contact.ByteSize():
        point.ClearField("contact")


def set_defaults(point: Point) -> None:
    """Fill what a caller may leave out."""
    point.location_source = point.location_source or Point.UNKNOWN
    point.provenance = point.provenance or provenance_pb2.REPORTED
    point.state = point.state or Point.PLANNED
    del point.warnings[:]


def set_warnings(point: Point, boundaries: Boundaries) -> None:
    """Write down what is odd about the point's location."""
    area = last_id(point.village or point.district)
    at = point.location
    found = boundaries.oddities(area, region_of(point.name), at.latitude, at.longitude)
    point.warnings.extend(_warning(oddity) for oddity in found)


def _warning(oddity: Oddity) -> point_pb2.Warning:
    return point_pb2.Warning(
        reason=oddity.reason,
        field="location",
        message=oddity.message,
        distance_m=oddity.distance_m,
    )


def _unknown(field: str, name: str, region: str, reason: str) -> Violation:
    return Violation(field, f"there is no {name} in regions/{region}", reason)
