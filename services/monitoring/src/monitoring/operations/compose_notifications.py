"""Putting what is due to a route into one message, without what has become pointless."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from common.postgres.database import Connection
from common.telemetry.metrics import NOTIFICATIONS

from monitoring.domain.notification import (
    NEVER_TOLD,
    Later,
    Outage,
    Route,
    Suppress,
    Tell,
    Told,
    Verdict,
    decide,
)
from monitoring.domain.wording import Piece, message
from monitoring.operations.dependencies import Dependencies
from monitoring.storage import deliveries, heard_incidents, notification_routes, notifications
from monitoring.storage.deliveries import Due, Planned, Turn

NO_WAIT = timedelta(0)
GONE = Suppress("the route is gone")
UNHEARD = Suppress("nothing is known of the incident any more")


@dataclass(frozen=True, slots=True)
class Batch:
    """What is due to a route at one moment."""

    turn: Turn
    route: Route
    due: Sequence[Due]
    outages: Mapping[str, Outage]
    now: datetime


async def compose_notification(needs: Dependencies) -> bool:
    """Compose the message of one route to which something is due; tell whether there was one.

    What is due within the route's group wait from now goes along, so that a storm that lasts makes
    one message per group wait. Processes share the routes.
    """
    now = needs.clock()
    async with needs.database.transaction() as connection:
        turn = await deliveries.take_turn(connection, now)
        if turn is None:
            return False
        route = await notification_routes.rules(connection, *turn)
        due = await deliveries.due(connection, turn, now + (route.group_wait if route else NO_WAIT))
        if route is None:
            verdicts: dict[UUID, Verdict] = {one.delivery_id: GONE for one in due}
            await _set_aside(connection, turn, verdicts)
        else:
            outages = await _outages(connection, turn, due)
            verdicts = await _tell(connection, Batch(turn, route, due, outages, now))
    suppressed = sum(isinstance(verdict, Suppress) for verdict in verdicts.values())
    NOTIFICATIONS.labels("suppressed").inc(suppressed)
    return True


async def _outages(connection: Connection, turn: Turn, due: Sequence[Due]) -> dict[str, Outage]:
    wanted = {one.incident_id for one in due}
    return await heard_incidents.read(connection, turn.region, wanted)


async def _tell(connection: Connection, batch: Batch) -> dict[UUID, Verdict]:
    """Put what is to be told into a message, the rest aside; return what was decided."""
    told = await deliveries.told(connection, batch.turn, batch.outages)
    verdicts = {one.delivery_id: _verdict(batch, one, told) for one in batch.due}
    await _set_aside(connection, batch.turn, verdicts)
    telling = [one for one in batch.due if isinstance(verdicts[one.delivery_id], Tell)]
    if telling:
        await _compose(connection, batch, telling)
    return verdicts


def _verdict(batch: Batch, one: Due, told: Mapping[str, Told]) -> Verdict:
    outage = batch.outages.get(one.incident_id)
    if outage is None:
        return UNHEARD
    before = told.get(one.incident_id, NEVER_TOLD)
    return decide(one.kind, outage, batch.route, before, batch.now)


async def _set_aside(connection: Connection, turn: Turn, verdicts: Mapping[UUID, Verdict]) -> None:
    why = {key: one.why for key, one in verdicts.items() if isinstance(one, Suppress)}
    until = {key: one.until for key, one in verdicts.items() if isinstance(one, Later)}
    await deliveries.suppress(connection, turn.region, why)
    await deliveries.postpone(connection, turn.region, until)


async def _compose(connection: Connection, batch: Batch, telling: Sequence[Due]) -> None:
    turn, route, now = batch.turn, batch.route, batch.now
    pieces = [Piece(one.kind, batch.outages[one.incident_id]) for one in telling]
    notification_id = await notifications.insert(connection, turn, message(pieces, route), now)
    told = [one.delivery_id for one in telling]
    await deliveries.join(connection, turn.region, notification_id, now, told)
    if route.escalate_to:
        await deliveries.plan(connection, turn.region, _escalations(route, telling, now), now)


def _escalations(route: Route, telling: Sequence[Due], now: datetime) -> list[Planned]:
    """Return what another route is told when nobody acknowledges in time."""
    due = now + route.escalate_after
    return [
        Planned(route.escalate_to, one.incident_id, "ESCALATED", one.round, due)
        for one in telling
        if one.kind in ("OPENED", "ESCALATED")
    ]
