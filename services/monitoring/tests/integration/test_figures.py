"""What the metrics say of points, incidents and measurements is what is so."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from common.events import subscription
from common.telemetry.metrics import CONSUMER_PENDING
from devstack.waiting import until
from monitoring.domain.check import ScheduledCheck
from monitoring.domain.partitions import partition_of
from monitoring.operations.follow_outages import follow_outages
from monitoring.operations.seen_certificates import SeenCertificates
from monitoring.operations.show_figures import show_figures, show_ingest_lag
from monitoring.testing import NOON, POINTS, REGION, Monitoring, measured, write_measurements
from probes.target import Kind, Target
from prometheus_client import REGISTRY

REGION_CODE = "64.01"
COVER = (
    """
INSERT INTO maintenance_windows (
       region_code, window_id, title, reason, point_ids, district_codes, provider_ids, start_time,
       end_time, recurrence, state, requester, notice_hours, decider, occurrence_count,
       last_end_time, point_count)
VALUES ('64.01', 'W-1', '', '', '{P-2}', '{}', '{}', $1, $2, '', 'APPROVED', 'a', 0, 'b', 1, $2, 1)
""",
    """
INSERT INTO maintenance_occurrences (region_code, window_id, start_time, end_time)
VALUES ('64.01', 'W-1', $1, $2)
""",
    """
INSERT INTO maintenance_spans (
       region_code, point_id, window_id, occurrence_time, start_time, end_time)
VALUES ('64.01', 'P-2', 'W-1', $1, $1, $2)
""",
)
"""A window that covers one point."""


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def points(state: str, region: str = REGION_CODE) -> float | None:
    return value("smartcity_points", region=region, state=state)


def grown(name: str, **labels: str) -> Callable[[], float]:
    """Return what tells by how much a counter has grown from now on."""
    before = value(name, **labels) or 0.0
    return lambda: (value(name, **labels) or 0.0) - before


async def silent(monitoring: Monitoring, number: int) -> None:
    """Let a point be down at noon."""
    minutes = [measured(number, -60.0 * n, "s") for n in range(10)]
    await write_measurements(monitoring.needs, partition_of(minutes[0].point), minutes)


async def test_points_are_counted_by_region_and_state(monitoring: Monitoring) -> None:
    await write_measurements(monitoring.needs, 0, [measured(0, 0)])
    await silent(monitoring, 1)
    async with monitoring.database.transaction() as connection:
        await connection.execute("UPDATE points SET state = 'RETIRED' WHERE point_id = 'P-9'")
        await connection.execute("UPDATE points SET region_code = '64.09' WHERE point_id = 'P-8'")
    await show_figures(monitoring.needs)
    assert (points("UP"), points("DOWN"), points("UNKNOWN")) == (1, 1, POINTS - 4)
    assert points("MAINTENANCE") == points("DEGRADED") == 0
    assert points("UNKNOWN", "64.09") == 1


async def test_a_point_under_maintenance_is_counted_as_that(monitoring: Monitoring) -> None:
    async with monitoring.database.transaction() as connection:
        for statement in COVER:
            await connection.execute(statement, NOON, NOON + timedelta(hours=1))
    await show_figures(monitoring.needs)
    assert (points("MAINTENANCE"), points("UNKNOWN")) == (1, POINTS - 1)
    monitoring.clock.time = NOON + timedelta(hours=1)
    await show_figures(monitoring.needs)
    assert points("MAINTENANCE") == 0


async def test_a_point_that_is_gone_is_counted_no_more(monitoring: Monitoring) -> None:
    await show_figures(monitoring.needs)
    assert points("UNKNOWN") == POINTS
    async with monitoring.database.transaction() as connection:
        await connection.execute("DELETE FROM points")
    await show_figures(monitoring.needs)
    assert points("UNKNOWN") is None


async def test_incidents_are_counted_and_those_that_another_holds_are_not(
    monitoring: Monitoring,
) -> None:
    opened = grown("smartcity_incidents_opened_total", region=REGION_CODE, scope="POINT")
    await show_figures(monitoring.needs)
    for number in (0, 1):
        await silent(monitoring, number)
    await follow_outages(monitoring.needs, REGION_CODE)
    assert await lasting(monitoring) == 2
    assert opened() == 2
    async with monitoring.database.transaction() as connection:
        await connection.execute(
            "UPDATE incidents SET parent_id = (SELECT min(incident_id) FROM incidents) "
            "WHERE incident_id = (SELECT max(incident_id) FROM incidents)"
        )
        await connection.execute(
            "UPDATE incidents SET state = 'ACKNOWLEDGED' WHERE parent_id IS NULL"
        )
    assert await lasting(monitoring) == 1
    assert await lasting(monitoring, "ACKNOWLEDGED") == 1


async def lasting(monitoring: Monitoring, *states: str) -> float:
    await show_figures(monitoring.needs)
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == "smartcity_open_incidents"
        and sample.labels["state"] in (states or ("OPEN", "ACKNOWLEDGED"))
    )


async def test_hours_wait_to_be_rolled_up_from_their_end_or_from_what_came_late(
    monitoring: Monitoring,
) -> None:
    await write_measurements(monitoring.needs, 0, [measured(0, -7200), measured(0, 0)])
    assert await behind(monitoring, NOON - timedelta(minutes=90)) == (1, 3600)  # it ended at 11
    assert await behind(monitoring, NOON - timedelta(minutes=10)) == (1, 600)  # more came
    monitoring.clock.time = NOON + timedelta(hours=1)
    assert await behind(monitoring, NOON + timedelta(minutes=30)) == (2, 1800)
    monitoring.clock.time = NOON + timedelta(hours=2)
    await monitoring.roll_up()
    assert await behind(monitoring, NOON) == (0, 0)


async def behind(monitoring: Monitoring, marked: datetime) -> tuple[float | None, ...]:
    """Return how many hours wait and for how long, when all were marked at a time."""
    async with monitoring.database.transaction() as connection:
        await connection.execute("UPDATE roll_up_marks SET marked_time = $1", marked)
    await show_figures(monitoring.needs)
    return value("smartcity_roll_ups_pending"), value("smartcity_roll_ups_oldest_seconds")


async def test_what_no_writer_has_written_shows_with_its_age(monitoring: Monitoring) -> None:
    partition = str(partition_of(f"{REGION}/points/P-0"))
    written = grown("smartcity_measurements_written_total", partition=partition)
    copies = grown("smartcity_measurements_duplicate_total", partition=partition)
    accepted = grown("smartcity_measurements_accepted_total", region=REGION_CODE)
    refused = grown("smartcity_measurements_rejected_total", reason="POINT_UNKNOWN")
    monitoring.write()

    def are_written(many: int) -> Callable[[], Awaitable[bool]]:
        async def so() -> bool:
            return written() + copies() == many

        return so

    await monitoring.report([measured(0, 0), measured(999, 0)])
    assert await until(are_written(1), within_s=20)
    await monitoring.stop_writers()
    await monitoring.report([measured(0, 0), measured(0, 1)])
    assert (written(), accepted(), refused()) == (1, 3, 1)
    monitoring.clock.time = datetime.now(UTC) + timedelta(minutes=7)
    await show_ingest_lag(monitoring.needs)
    age_s = value("smartcity_ingest_oldest_seconds", partition=partition)
    assert age_s is not None
    assert 420 <= age_s < 480
    monitoring.clock.time = NOON
    monitoring.write()
    assert await until(are_written(3), within_s=20)
    assert (written(), copies()) == (2, 1)
    assert (value("smartcity_ingest_seconds_count") or 0) >= 2

    async def all_are_told() -> bool:
        await show_ingest_lag(monitoring.needs)
        return value("smartcity_ingest_oldest_seconds", partition=partition) == 0

    assert await until(all_are_told, within_s=20)


async def test_a_consumer_that_is_never_idle_shows_what_is_before_it(
    monitoring: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "PULL_S", 600.0)  # no pull is silent so long: nobody asks
    name = f"monitoring-columns-{partition_of(f'{REGION}/points/P-0')}"
    CONSUMER_PENDING.labels(name).set(99)
    await monitoring.report([measured(0, 0)])
    monitoring.write()

    async def nothing_is() -> bool:
        return value("smartcity_consumer_pending", consumer=name) == 0

    assert await until(nothing_is, within_s=20)


async def test_the_first_certificate_to_end_shows_for_each_region() -> None:
    seen, check = SeenCertificates(), checked("64.01", 1)
    other, elsewhere = checked("64.01", 2), checked("64.09", 1)
    seen.note(check, NOON + timedelta(days=9))
    seen.note(other, NOON + timedelta(days=5))
    seen.note(elsewhere, NOON + timedelta(days=90))
    seen.note(other, None)
    assert ends("64.01") == (NOON + timedelta(days=5)).timestamp()
    assert ends("64.09") == (NOON + timedelta(days=90)).timestamp()
    seen.keep([check])
    assert ends("64.01") == (NOON + timedelta(days=9)).timestamp()
    assert ends("64.09") is None


def ends(region: str) -> float | None:
    return value("smartcity_probed_certificate_expiry_seconds", region=region)


def checked(region: str, number: int) -> ScheduledCheck:
    return ScheduledCheck(
        f"regions/{region}/points/P-{number}", "web", Target(Kind.HTTP, "127.0.0.1"), 60
    )
