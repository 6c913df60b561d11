"""What is wrong with a requested maintenance window beyond the proto's rules."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from common.caller import current_caller
from common.errors import Violation
from common.names import last_id, region_of
from common.postgres.database import Connection
from common.postgres.values import timestamp
from common.zones import zone_of
from smartcity.monitoring.v1.maintenance_window_pb2 import MaintenanceWindow

from monitoring.domain.recurrence import LONGEST, MOST_AHEAD, SHORTEST, RuleRefused, Span
from monitoring.domain.window_states import notice_hours, require_requester, require_state
from monitoring.storage import maintenance_windows as windows

MOST_NAMES = 1000
NOTHING_THERE = {
    "points": "there is no {name}",
    "districts": "no point lies in {name}",
    "providers": "no point has a line of {name}",
}


async def check_change(
    now: datetime, connection: Connection, window: MaintenanceWindow
) -> list[Violation]:
    """Return what is wrong with a changed request, and complete it; one that is the same stays so.

    Raises:
        MaintenanceStateWrong: It was decided about.
        NotRequester: The caller did not request it.
    """
    require_state("update", MaintenanceWindow.State.Name(window.state))
    require_requester(window.requester, current_caller().subject)
    if await windows.read(connection, window.name) == window:
        return []
    return await check_window(now, connection, window)


async def check_window(
    now: datetime, connection: Connection, window: MaintenanceWindow
) -> list[Violation]:
    """Return what is wrong with a request, and complete it: occurrences and notice."""
    wrong = [] if any(getattr(window, field) for field in NOTHING_THERE) else [_covers_nothing()]
    for field in NOTHING_THERE:
        wrong += await _unknown(connection, window, field)
    return [*wrong, *_when(window, now)]


def _covers_nothing() -> Violation:
    sentence = "must cover something: give points, districts or providers"
    return Violation("maintenanceWindow.points", sentence, "COVERAGE_EMPTY")


async def _unknown(
    connection: Connection, window: MaintenanceWindow, field: str
) -> list[Violation]:
    names: Sequence[str] = getattr(window, field)[:MOST_NAMES]
    region = region_of(window.name)
    known = await windows.known(connection, region, field, [last_id(name) for name in names])
    found = []
    for index, name in enumerate(names):
        if name != f"regions/{region}/{field}/{last_id(name)}":
            sentence = f"must be one of regions/{region}"
        elif last_id(name) not in known:
            sentence = NOTHING_THERE[field].format(name=name)
        else:
            continue
        found.append(Violation(f"maintenanceWindow.{field}[{index}]", sentence, "NOT_COVERABLE"))
    return found


def _when(window: MaintenanceWindow, now: datetime) -> list[Violation]:
    start, start_wrong = _time(window, "start_time")
    end, end_wrong = _time(window, "end_time")
    wrong = start_wrong + end_wrong
    if start is None or end is None:
        return wrong
    wrong += _span_wrong(Span(start, end), now)
    if not wrong:
        wrong = _occurrences_wrong(window, now)
    return wrong


def _time(window: MaintenanceWindow, field: str) -> tuple[datetime | None, list[Violation]]:
    """Return the time, None when it is absent, which the proto's rules tell, or none."""
    if not window.HasField(field):  # type: ignore[arg-type]
        return None, []
    try:
        time: datetime = getattr(window, field).ToDatetime(UTC)
    except (ValueError, OverflowError):
        return None, [_time_wrong(field, "is no time of the calendar", "TIME_INVALID")]
    if getattr(window, field).nanos:
        return None, [_time_wrong(field, "must be a whole second", "TIME_INVALID")]
    return time, []


def _time_wrong(field: str, sentence: str, reason: str) -> Violation:
    return Violation(f"maintenanceWindow.{field.partition('_')[0]}Time", sentence, reason)


def _span_wrong(span: Span, now: datetime) -> list[Violation]:
    earliest, latest = now - LONGEST, now + MOST_AHEAD
    wrong = []
    if not earliest <= span.start <= latest:
        sentence = f"must lie between {_shown(earliest)} and {_shown(latest)}"
        wrong.append(_time_wrong("start_time", sentence, "TIME_OUT_OF_RANGE"))
    if not SHORTEST <= span.end - span.start <= LONGEST:
        sentence = f"must lie {_length(SHORTEST)} to {_length(LONGEST)} after startTime"
        wrong.append(_time_wrong("end_time", sentence, "LENGTH_OUT_OF_RANGE"))
    return wrong


def _occurrences_wrong(window: MaintenanceWindow, now: datetime) -> list[Violation]:
    region = region_of(window.name)
    try:
        zone_of(region)
    except KeyError:
        return [Violation("parent", f"regions/{region} lies in no known time zone", "ZONE_UNKNOWN")]
    try:
        spans = windows.spans_of(window)
    except RuleRefused as error:
        return [Violation("maintenanceWindow.recurrence", str(error), "RECURRENCE_REFUSED")]
    last = spans[-1].end
    window.occurrence_count = len(spans)
    window.last_end_time.CopyFrom(timestamp(last))
    window.notice_hours = notice_hours(spans[0].start, now)
    if last <= now:
        return [_time_wrong("end_time", f"is over: it is {_shown(now)}", "MAINTENANCE_OVER")]
    if last > now + MOST_AHEAD:
        path = f"maintenanceWindow.{'recurrence' if window.recurrence else 'endTime'}"
        sentence = f"must end before {_shown(now + MOST_AHEAD)}"
        return [Violation(path, sentence, "TIME_OUT_OF_RANGE")]
    return []


def _shown(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def _length(span: timedelta) -> str:
    days = span.days
    return f"{days} days" if days else f"{span.seconds // 60} minute"
