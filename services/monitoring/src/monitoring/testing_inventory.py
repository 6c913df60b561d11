"""What the inventory tells of points and their lines, for tests."""

from typing import Any

from common.events.event import Event, event_of
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.events_pb2 import CircuitChanged
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.monitoring.v1.check_pb2 import Check

from monitoring.events.circuits import follow_circuits
from monitoring.events.points import keep_point
from monitoring.testing import REGION, Monitoring


async def inventory_tells(
    monitoring: Monitoring, kind: type[Any], number: int, sequence: int, **changes: Any
) -> None:
    """Handle an event about a point, an ACTIVE OPD of district 64.01.02 but for the changes."""
    given: dict[str, Any] = {
        "name": f"{REGION}/points/P-{number}",
        "display_name": f"Titik {number}",
        "kind": Point.OPD,
        "district": f"{REGION}/districts/64.01.02",
        "state": Point.ACTIVE,
    }
    point = Point(**given | changes)
    event = event_of(kind(point=point), point.name).numbered(sequence)
    async with monitoring.database.transaction() as connection:
        await keep_point(connection, event)


def line_told(
    number: int, sequence: int = 1, *, line: str = "main", deleted: bool = False, **fields: Any
) -> Event:
    """Return an event about a circuit of a point, which is telkom's but for the fields."""
    name = f"{REGION}/points/P-{number}/circuits/{line}"
    given: dict[str, Any] = {"name": name, "provider": f"{REGION}/providers/telkom"}
    change = CircuitChanged(circuit=Circuit(**given | fields), deleted=deleted)
    return event_of(change, name).numbered(sequence)


async def lay(monitoring: Monitoring, *about: int, **told: Any) -> None:
    """Handle an event about a circuit of a point, both as `line_told` takes them."""
    follow = follow_circuits(Check(), monitoring.clock)
    async with monitoring.database.transaction() as connection:
        await follow(connection, line_told(*about, **told))
