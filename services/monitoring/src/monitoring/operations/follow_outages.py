"""Making incidents of outages, and outages that belong together one incident.

One transaction for each look at a region, behind the region's lock: what is taken from the queue,
the incidents, their timelines and their events stand or fall together.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from common.events.event import Event
from common.events.outbox import append
from common.postgres.database import Connection
from common.postgres.history import changed_fields
from common.zones import zone_of

from monitoring.domain.areas import area_rules
from monitoring.domain.casebook import Casebook, Place, failures, gone
from monitoring.domain.incident import Incident
from monitoring.domain.priority import score
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.incident_metrics import count_opened
from monitoring.operations.publish import HISTORY, event_about
from monitoring.storage import districts, incident_queue, incidents, places, providers

ENGINE = "engine"
ACTIVE = "ACTIVE"
POINTS_AT_ONCE = 2000


@dataclass(slots=True)
class Numbers:
    """Numbers of a region's incidents, one after the other in each year of its own calendar."""

    year: int
    last: int

    def __call__(self) -> str:
        """Return the next one, as `2026-0042`."""
        self.last += 1
        return f"{self.year}-{self.last:04}"


async def follow_outages(needs: Dependencies, region: str, at_most: int = POINTS_AT_ONCE) -> int:
    """Look at points of a region whose states have changed; return how many there were."""
    now = needs.clock()
    async with needs.database.transaction() as connection:
        numbers = await lock(connection, region, now)
        first = numbers.last
        looks = await incident_queue.take(connection, region, at_most, now)
        if not looks:
            return 0
        book = await _followed(connection, Casebook(region, now, numbers, {}), looks)
        await _store(connection, book)
        if numbers.last != first:
            await incidents.note_number(connection, region, numbers.last)
    count_opened(book.changed())
    return len(looks)


async def lock(connection: Connection, region: str, now: datetime) -> Numbers:
    """Make others who change the region's incidents wait; return the numbers of new ones."""
    year = now.astimezone(zone_of(region)).year
    return Numbers(year, await incidents.lock_region(connection, region, year))


async def _followed(
    connection: Connection, empty: Casebook, looks: Mapping[str, datetime]
) -> Casebook:
    region = empty.region
    lower = await places.read_lower(connection, region, looks)
    found = await places.read_outages(connection, region, lower)
    at_hand = await incidents.read_case(connection, region, lower)
    names = await districts.names(connection, region) | await providers.names(connection, region)
    book = Casebook(region, empty.now, empty.new_id, at_hand, names=names)
    down = {i.point_id for i in at_hand.values() if i.lasts and i.point_id}
    known = await _places(connection, region, looks.keys() | down, empty.now)
    for point_id in looks:
        book.follow(known.get(point_id) or gone(point_id), found.get(point_id, []))
    sizes = await places.count(connection, region)
    book.join(failures(book.incidents.values(), known), sizes, area_rules())
    return book


async def _places(
    connection: Connection, region: str, wanted: Collection[str], now: datetime
) -> dict[str, Place]:
    local = now.astimezone(zone_of(region))
    silences = await places.read_silences(connection, region, wanted, now)
    return {
        row["point_id"]: Place(
            point_id=row["point_id"],
            title=row["display_name"],
            district=row["district_code"],
            providers=frozenset(row["providers"]),
            upstreams=frozenset(row["upstreams"]),
            flapping=row["flapping"],
            silences=silences.get(row["point_id"], ()),
            in_service=row["state"] == ACTIVE,
            score=score(row["kind"], local, row["people_served"]),
            people=row["people_served"],
        )
        for row in await places.read(connection, region, wanted)
    }


async def _store(connection: Connection, book: Casebook) -> None:
    changes = list(book.changed())
    await incidents.store(connection, [after for _, after in changes])
    await incidents.store_entries(connection, book.region, (book.now, ENGINE), book.entries)
    await append(connection, [event for change in changes for event in _events(*change)])


def _events(before: Incident | None, after: Incident) -> Iterator[Event]:
    """Yield what is told of a change; one that is over when it becomes known is opened first."""
    new = incidents.message_of(after)
    old = incidents.message_of(before) if before else None
    fields = changed_fields(HISTORY.snapshot(old), HISTORY.snapshot(new))
    actions = [] if before else ["open"]
    if not after.lasts and (before is None or before.lasts):
        actions.append("resolve")
    elif before and fields:
        actions.append("update")
    for action in actions:
        event = event_about(action, old, new, fields)
        if event is not None:
            yield event
