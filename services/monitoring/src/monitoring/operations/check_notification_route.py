"""What is wrong with a notification route that its proto's rules cannot see."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common.errors import Violation
from common.names import region_of
from common.postgres.database import Connection
from common.validation import violations
from smartcity.monitoring.v1.notification_route_pb2 import NotificationRoute, NotificationTarget

from monitoring.sending.addresses import masked, wrong_with
from monitoring.sending.networks import Network
from monitoring.storage.sealed_routes import SealedRoutes

FIELD = "notificationRoute"
GROUP_WAIT_S = 30
ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class RouteCheck:
    """Completes a draft in place and returns what is wrong with it, without any address."""

    store: SealedRoutes
    allowed: Sequence[Network]

    async def __call__(self, connection: Connection, route: NotificationRoute) -> list[Violation]:
        """Check a route before it is stored."""
        route.language_code = route.language_code or "id"
        route.group_wait_s = route.group_wait_s or GROUP_WAIT_S
        known = await self._known(connection, route.name)
        found = [*_foreign(route)]
        for index, target in enumerate(route.targets):
            where = f"{FIELD}.targets[{index}]"
            found += _recall(target, known, where) or self._wrong_address(target, where)
        return found

    async def _known(self, connection: Connection, name: str) -> dict[str, str]:
        """Return the stored addresses by their targets' ids; none for a name that is none."""
        is_name = not violations(self.store.NAMED(name=name))
        stored = await self.store.read(connection, name) if is_name else None
        return {target.target_id: target.url for target in stored.targets} if stored else {}

    def _wrong_address(self, target: NotificationTarget, where: str) -> list[Violation]:
        target.target_id = target.target_id or secrets.token_hex(ID_BYTES)
        wrong = wrong_with(target.url, self.allowed)
        return [Violation(f"{where}.url", one.sentence, one.reason) for one in wrong]


def _recall(target: NotificationTarget, known: dict[str, str], where: str) -> list[Violation]:
    """Put the stored address into a target that comes back masked or with its id alone."""
    if not target.target_id:
        return []
    stored = known.get(target.target_id)
    if stored is None:
        sentence = f"{target.target_id!r} is no target of this route; leave it empty for a new one"
        return [Violation(f"{where}.targetId", sentence, "TARGET_UNKNOWN")]
    if target.url in ("", masked(stored)):
        target.url = stored
    return []


def _foreign(route: NotificationRoute) -> Iterator[Violation]:
    """Yield what belongs to another region, or is the route itself."""
    region = region_of(route.name)
    named = {
        "districts": route.districts,
        "providers": route.providers,
        "escalateTo": [route.escalate_to] if route.escalate_to else [],
    }
    for field, names in named.items():
        for name in names:
            if region_of(name) != region:
                sentence = f"{name} is not of regions/{region}"
                yield Violation(f"{FIELD}.{field}", sentence, "OTHER_REGION")
    if route.escalate_to == route.name:
        yield Violation(f"{FIELD}.escalateTo", "must be another route", "ESCALATES_TO_ITSELF")
