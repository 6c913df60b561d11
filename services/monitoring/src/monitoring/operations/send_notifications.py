"""Sending messages: each target of a route gets each message at least once.

The message is locked while it is sent, and what became of it is stored in the same transaction. A
process or database that dies between a target's answer and the commit makes the target get the
message again, under the same key; never not at all.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from common.postgres.database import Connection
from common.sealing import KeyMissing
from common.telemetry.metrics import NOTIFICATION_AGE, NOTIFICATIONS
from smartcity.monitoring.v1.notification_route_pb2 import NotificationRoute

from monitoring.domain.retries import GIVEN_UP_AFTER, delay_after
from monitoring.domain.wording import Text
from monitoring.operations.dependencies import Dependencies
from monitoring.sending.process import Outcome, Parcel, send_apart
from monitoring.storage import deliveries, notification_routes, notifications
from monitoring.storage.notifications import Notification
from monitoring.storage.sealed_routes import SealedRoutes

CHANCE = random.SystemRandom()


async def send_notification(needs: Dependencies) -> bool:
    """Send one message that is due; tell whether there was one. Processes share the messages."""
    async with needs.database.transaction() as connection:
        one = await notifications.take(connection, needs.clock())
        if one is None:
            return False
        tried = await _tried(needs, connection, one)
        now = needs.clock()
        settled = _settled(tried, now)
        await notifications.settle(connection, settled, now)
        if settled.state == "SENT":
            await _plan_repeats(connection, settled, now)
    outcome = "again" if settled.state == "WAITING" else settled.state.lower()
    NOTIFICATIONS.labels(outcome).inc()
    return True


async def show_oldest(needs: Dependencies) -> None:
    """Show how old the oldest message is that was not delivered."""
    async with needs.database.read() as connection:
        oldest = await notifications.oldest(connection)
    age_s = (needs.clock() - oldest).total_seconds() if oldest else 0.0
    NOTIFICATION_AGE.set(max(age_s, 0.0))


async def send_to(
    needs: Dependencies, targets: Mapping[str, str], text: Text, key: str
) -> dict[str, Outcome]:
    """Send a text to addresses by their ids, to all at once; return what became of each."""
    outcomes = await asyncio.gather(
        *(
            asyncio.to_thread(send_apart, Parcel(url, text, f"{key}-{target_id}"), needs.networks)
            for target_id, url in targets.items()
        )
    )
    return dict(zip(targets, outcomes, strict=True))


async def _tried(needs: Dependencies, connection: Connection, one: Notification) -> Notification:
    """Return the message after it was sent to those targets that have not taken it yet."""
    region, route_id = one.turn
    name = f"regions/{region}/notificationRoutes/{route_id}"
    try:
        route = await SealedRoutes(needs.keyring).read(connection, name)
    except KeyMissing as error:
        return one.tried(one.told_targets, error.message)
    if route is None:
        return replace(one, state="SUPPRESSED", detail="the route is gone")
    targets = _untold(route, one)
    outcomes = await send_to(needs, targets, one.text, str(one.notification_id))
    told = [*one.told_targets, *(key for key, how in outcomes.items() if how.is_delivered)]
    failed = [f"target {key}: {how.sentence}" for key, how in outcomes.items() if how.sentence]
    return replace(one.tried(told, "; ".join(failed)), state="WAITING" if failed else "SENT")


def _untold(route: NotificationRoute, one: Notification) -> dict[str, str]:
    return {
        target.target_id: target.url
        for target in route.targets
        if target.target_id not in one.told_targets
    }


def _settled(one: Notification, now: datetime) -> Notification:
    """Return the message with when it is tried again, or given up."""
    if one.state != "WAITING":
        return one
    if one.age(now) >= GIVEN_UP_AFTER:
        return replace(one, state="FAILED")
    return replace(one, due=now + delay_after(one.attempt_count, CHANCE.random()))


async def _plan_repeats(connection: Connection, one: Notification, now: datetime) -> None:
    route = await notification_routes.rules(connection, *one.turn)
    if route and route.repeat_interval:
        due = now + route.repeat_interval
        await deliveries.plan_repeats(connection, one.turn, one.notification_id, due, now)
