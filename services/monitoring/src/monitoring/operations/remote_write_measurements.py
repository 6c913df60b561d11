"""Taking samples as Prometheus sends them.

What it will never get in is answered so that it goes on, everything else so that it comes again.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from common.errors import FieldsInvalid, Violation
from common.names import last_id
from smartcity.monitoring.v1.measurement_pb2 import (
    Measurement,
    ReportMeasurementsRequest,
    ReportMeasurementsResponse,
)
from smartcity.monitoring.v1.measurement_transfer_pb2 import RemoteWriteMeasurementsRequest

from monitoring.domain.counters import Counted, Reading, Target, count, readings
from monitoring.domain.samples import Key, Measured, measured
from monitoring.formats.remote_write import read_series
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.report_measurements import judge_measurements, report_measurements
from monitoring.storage import counter_readings

AT_ONCE = 10_000
LISTED = 10
MOST_PACKETS = 10_001
"""One more than allowed, so that any greater number is told as too great."""
FRACTION_OF_SECOND_NS = 1_000_000
SAYS = {"success": 1.0}
"""Something that a measurement may say, where only its point and time are asked about."""
Rejection = ReportMeasurementsResponse.Rejection


class SamplesRejected(FieldsInvalid):
    """Some samples can never be taken; the others of the request are stored."""

    reason = "SAMPLES_REJECTED"

    def __init__(self, stored: int, violations: Sequence[Violation]) -> None:
        super().__init__(violations)
        said = "; ".join(dict.fromkeys(v.message for v in violations[:LISTED]))
        self.message = f"measurements stored: {stored}, rejected: {len(violations)}: {said}"


async def remote_write_measurements(
    needs: Dependencies, request: RemoteWriteMeasurementsRequest
) -> None:
    """Store what the samples say of points.

    Raises:
        BodyRefused: The body is none.
        SamplesRejected: Some were not taken; the others are stored.
        BusAway: Not all could be stored; sent again, none is doubled.
        DatabaseAway: Nor could be looked up what counters said last.
    """
    found, counters = await asyncio.to_thread(_read, request)
    taking = _Taking(needs, request.parent)
    await taking.report(found)
    if counters:
        await taking.count(counters)
    if taking.wrong:
        raise SamplesRejected(taking.stored, taking.wrong)


@dataclass(slots=True)
class _Taking:
    """Takes the samples of one request, and notes what cannot be taken."""

    needs: Dependencies
    parent: str
    stored: int = 0
    wrong: list[Violation] = field(default_factory=list)

    async def report(self, found: Sequence[Measured]) -> None:
        """Report measurements."""
        for batch in self._batches(found):
            answer = await report_measurements(self.needs, batch)
            self.stored += answer.accepted_count
            self._note(batch, answer.rejections)

    async def count(self, counters: Mapping[Target, Sequence[Reading]]) -> None:
        """Report what counters say since they were read last, then keep what they say now.

        Sent again after a death between the two, they say the same again.
        """
        right = await self._right(counters)
        if not right:
            return
        region, after, found = last_id(self.parent), dict[Target, Counted](), list[Measured]()
        async with self.needs.database.read() as connection:
            before = await counter_readings.read(connection, region, right)
        for target, several in right.items():
            after[target], between = count(target, before.get(target), several)
            found += between
        await self.report(found)
        async with self.needs.database.transaction() as connection:
            await counter_readings.store(connection, region, after)

    async def _right(
        self, counters: Mapping[Target, Sequence[Reading]]
    ) -> dict[Target, list[Reading]]:
        """Return those readings of whose point and time a measurement would be taken."""
        flat = [(target, one) for target, several in counters.items() for one in several]
        there = [Measured(Key(*target, one.time_ms), "", SAYS) for target, one in flat]
        refused: set[int] = set()
        for start, batch in zip(range(0, len(flat), AT_ONCE), self._batches(there), strict=True):
            rejections = await judge_measurements(self.needs, batch)
            self._note(batch, rejections)
            refused |= {start + one.index for one in rejections}
        right: dict[Target, list[Reading]] = {}
        for place, (target, one) in enumerate(flat):
            if place not in refused:
                right.setdefault(target, []).append(one)
        return right

    def _batches(self, found: Sequence[Measured]) -> Iterator[ReportMeasurementsRequest]:
        for start in range(0, len(found), AT_ONCE):
            some = [_measurement(self.parent, one) for one in found[start : start + AT_ONCE]]
            yield ReportMeasurementsRequest(parent=self.parent, measurements=some)

    def _note(self, batch: ReportMeasurementsRequest, rejections: Sequence[Rejection]) -> None:
        self.wrong += [_violation(batch.measurements[one.index], one) for one in rejections]


def _read(
    request: RemoteWriteMeasurementsRequest,
) -> tuple[list[Measured], dict[Target, list[Reading]]]:
    series = read_series(request.body)
    return measured(series), readings(series)


def _measurement(parent: str, one: Measured) -> Measurement:
    key = one.key
    found = Measurement(
        point=f"{parent}/points/{key.point_id}", source=key.source, method=one.method
    )
    seconds, milliseconds = divmod(key.time_ms, 1000)
    found.time.seconds, found.time.nanos = seconds, milliseconds * FRACTION_OF_SECOND_NS
    for name, value in one.figures.items():
        if name == "success":
            found.success = value != 0
        elif name.startswith("packets_"):
            setattr(found, name, round(min(max(value, -1.0), MOST_PACKETS)))
        else:
            setattr(found, name, value)
    return found


def _violation(one: Measurement, rejection: Rejection) -> Violation:
    return Violation(f"{one.point} {one.source}", rejection.message, rejection.reason)
