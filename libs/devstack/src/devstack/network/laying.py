"""The demonstration's lines: made up once for the points tagged `demo`, and marked as made up.

What the marks are: a circuit's service id begins with `SIMULATED-`, a point that was put into
service for the demonstration has the tag `simulated`. The point's provenance still says what the
place rests on.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import grpc
from common.names import last_id
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.point_pb2 import Point, Technology

from devstack.network.addresses import free_addresses, is_simulated
from devstack.network.inventory import Inventory, Stock
from devstack.network.script import chances
from devstack.network.site import Site
from devstack.network.technologies import SHARES

DEMO, SIMULATED = "demo", "simulated"
CIRCUIT = "main"
PROVIDER, PROVIDER_NAME = "telkom", "Telkom"
AT_ONCE = 8
OVERTAKEN = (
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
)
"""What the inventory answers when somebody has changed the point meanwhile: it is theirs then."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is yet to be laid, or whose point is yet to be put into service."""

    point: Point
    technology: Technology.ValueType
    address: str
    laid: bool
    """The circuit is there: an earlier start was stopped behind it."""


def missing_lines(stock: Stock, seed: int) -> Iterator[Line]:
    """Give the demonstration's points that lack a line, in order, each with an address.

    A point with a circuit of somebody's own is left as it is, and so is one out of service.
    """
    by_point = _by_point(stock)
    free = free_addresses({circuit.monitored_address for circuit in stock.circuits})
    for point in sorted(stock.points, key=lambda one: one.name):
        circuits = by_point.get(point.name, [])
        if not _is_wanted(point, circuits):
            continue
        address = circuits[0].monitored_address if circuits else next(free)
        yield Line(point, technology_of(point, seed), address, laid=bool(circuits))


def technology_of(point: Point, seed: int) -> Technology.ValueType:
    """Return the point's technology, or what the seed gives it."""
    if point.technology:
        return point.technology
    dice = chances(seed, "technology", last_id(point.name))
    return Technology.Value(dice.choices([*SHARES], weights=[*SHARES.values()])[0])


async def lay(inventory: Inventory, lines: list[Line]) -> int:
    """Lay these lines and put their points into service; return how many were.

    May be stopped anywhere: `missing_lines` then gives the rest.
    """
    provider = await inventory.require_provider(PROVIDER, PROVIDER_NAME)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(line: Line) -> bool:
        async with places:
            return await _lay_one(inventory, provider, line)

    return sum(await asyncio.gather(*(one(line) for line in lines)))


def with_lines(stock: Stock, lines: Iterable[Line]) -> Stock:
    """Return what the inventory will hold when these lines are laid."""
    circuits = [_circuit("", line) for line in lines if not line.laid]
    return replace(stock, circuits=(*stock.circuits, *circuits))


def sites_of(stock: Stock) -> Iterator[Site]:
    """Give a site for each circuit that is monitored at an address of the simulated network."""
    points = {point.name: point for point in stock.points}
    names = {district.name: district.display_name for district in stock.districts}
    for circuit in stock.circuits:
        point = points.get(_point_of(circuit))
        if point is not None and is_simulated(circuit.monitored_address):
            yield Site(
                point=last_id(point.name),
                display_name=point.display_name,
                district=last_id(point.district),
                district_name=names.get(point.district, ""),
                technology=Technology.Name(circuit.technology),
                address=circuit.monitored_address,
            )


def _point_of(circuit: Circuit) -> str:
    return circuit.name.rpartition("/circuits/")[0]


def _by_point(stock: Stock) -> dict[str, list[Circuit]]:
    found: dict[str, list[Circuit]] = {}
    for circuit in stock.circuits:
        found.setdefault(_point_of(circuit), []).append(circuit)
    return found


def _is_wanted(point: Point, circuits: list[Circuit]) -> bool:
    if DEMO not in point.tags or point.technology == Technology.NONE:
        return False
    if not circuits:
        return point.state in (Point.PLANNED, Point.ACTIVE)
    return point.state == Point.PLANNED and _is_ours(circuits)


def _is_ours(circuits: list[Circuit]) -> bool:
    one = circuits[0]
    return len(circuits) == 1 and one.service_id == _service_id(_point_of(one))


def _service_id(point: str) -> str:
    return f"SIMULATED-{last_id(point)}"


async def _lay_one(inventory: Inventory, provider: str, line: Line) -> bool:
    try:
        point = await inventory.describe(_described(line))
        if not line.laid:
            await inventory.lay(point.name, CIRCUIT, _circuit(provider, line))
        if point.state == Point.PLANNED:
            await inventory.activate(point)
    except grpc.aio.AioRpcError as error:
        if error.code() in OVERTAKEN:
            return False
        raise
    return True


def _described(line: Line) -> Point:
    tags = sorted({*line.point.tags, SIMULATED})
    return Point(name=line.point.name, etag=line.point.etag, technology=line.technology, tags=tags)


def _circuit(provider: str, line: Line) -> Circuit:
    return Circuit(
        name=f"{line.point.name}/circuits/{CIRCUIT}",
        provider=provider,
        technology=line.technology,
        service_id=_service_id(line.point.name),
        monitored_address=line.address,
    )
