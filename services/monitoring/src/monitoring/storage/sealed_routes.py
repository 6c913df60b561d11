"""Notification routes with their targets in plain, for those who change them or send to them.

Everybody else reads `monitoring.storage.notification_routes`, where targets are masked. They are
sealed for their route: moved to another row they open no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from common.names import ids
from common.postgres.database import Connection
from common.sealing import Keyring
from smartcity.monitoring.v1.notification_route_pb2 import NotificationRoute, NotificationTarget

from monitoring.sending.addresses import masked
from monitoring.storage import notification_routes as routes

READ_SEALED = """
SELECT targets_sealed
  FROM notification_routes
 WHERE region_code = $1 AND route_id = $2
"""

SET_TARGETS = """
UPDATE notification_routes
   SET targets_sealed = $3, targets_masked = $4
 WHERE region_code = $1 AND route_id = $2
"""

READ_UNDER_OTHER_KEYS = """
SELECT region_code, route_id, targets_sealed
  FROM notification_routes
 WHERE substr(targets_sealed, 2, get_byte(targets_sealed, 0)) <> convert_to($1, 'UTF8')
   FOR UPDATE
"""

RESEAL = """
UPDATE notification_routes
   SET targets_sealed = $3
 WHERE region_code = $1 AND route_id = $2
"""


@dataclass(frozen=True, slots=True)
class SealedRoutes:
    """The storage of routes for `common.postgres.mutations`."""

    keyring: Keyring
    NAMED = routes.NAMED

    async def read(
        self, connection: Connection, name: str, *, lock: bool = False
    ) -> NotificationRoute | None:
        """Return the route of this name with its targets in plain.

        Raises:
            KeyMissing: The ring does not open them.
        """
        route = await routes.read(connection, name, lock=lock)
        if route is not None:
            sealed: bytes = await connection.fetchval(READ_SEALED, *ids(name))
            opened = orjson.loads(self.keyring.open(sealed, name))
            del route.targets[:]
            route.targets.extend(NotificationTarget(**one) for one in opened)
        return route

    async def insert(self, connection: Connection, route: NotificationRoute) -> NotificationRoute:
        """Store a new route; raises as `routes.insert` does."""
        stored = await routes.insert(connection, route)
        return await self._with_targets(connection, stored, route)

    async def update(self, connection: Connection, route: NotificationRoute) -> NotificationRoute:
        """Store a changed route; raises as `routes.update` does."""
        stored = await routes.update(connection, route)
        return await self._with_targets(connection, stored, route)

    async def delete(self, connection: Connection, name: str) -> None:
        """Remove a route; raises as `routes.delete` does."""
        await routes.delete(connection, name)

    async def _with_targets(
        self, connection: Connection, stored: NotificationRoute, wanted: NotificationRoute
    ) -> NotificationRoute:
        sealed = self.keyring.seal(_json(wanted.targets), wanted.name)
        shown = _json(shown_route(wanted).targets).decode()
        await connection.execute(SET_TARGETS, *ids(wanted.name), sealed, shown)
        del stored.targets[:]
        stored.targets.extend(wanted.targets)
        return stored


def shown_route(route: NotificationRoute) -> NotificationRoute:
    """Return the route as callers see it: its targets masked."""
    shown = NotificationRoute()
    shown.CopyFrom(route)
    for target in shown.targets:
        target.url = masked(target.url)
    return shown


async def reseal(connection: Connection, keyring: Keyring) -> int:
    """Seal targets under the active key that are not; return how many routes' were.

    Raises:
        KeyMissing: The ring does not open those of a route; nothing is changed then.
    """
    rows = await connection.fetch(READ_UNDER_OTHER_KEYS, keyring.active)
    sealed = [
        (code, route_id, keyring.reseal(held, f"regions/{code}/notificationRoutes/{route_id}"))
        for code, route_id, held in rows
    ]
    await connection.executemany(RESEAL, sealed)
    return len(sealed)


def _json(targets: Sequence[NotificationTarget]) -> bytes:
    return orjson.dumps([{"target_id": one.target_id, "url": one.url} for one in targets])
