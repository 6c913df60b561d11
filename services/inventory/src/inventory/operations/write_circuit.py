"""Creating, changing and deleting circuits."""

from datetime import date

from common.errors import Kind, ServiceError, Violation
from common.names import last_id, region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate
from common.postgres.values import from_date
from google.protobuf.empty_pb2 import Empty
from google.type import date_pb2
from smartcity.inventory.v1 import circuit_pb2
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.point_pb2 import Point

from inventory.operations.dependencies import Dependencies
from inventory.operations.publish import MUTATIONS
from inventory.storage import circuits, points, providers


class PointRetired(ServiceError):
    """The point is out of use for ever."""

    kind = Kind.WRONG_STATE
    reason = "POINT_RETIRED"


async def create_circuit(needs: Dependencies, request: circuit_pb2.CreateCircuitRequest) -> Circuit:
    """Create a circuit of a point."""

    async def act(connection: Connection) -> Circuit:
        draft = request.circuit
        draft.name = f"{request.parent}/circuits/{request.circuit_id or needs.new_id()}"
        created = await MUTATIONS.create(connection, circuits, request, draft, check_circuit)
        await _require_point_in_use(connection, request.parent)
        return created

    region = region_of(request.parent)
    return await mutate(needs.database, request, region, Circuit, act)


async def _require_point_in_use(connection: Connection, name: str) -> None:
    """Refuse a retired point, which undoes what was stored.

    Asked last: a name that is none, or of no point, has been refused by then.
    """
    point = await points.read(connection, name, lock=True)
    if point is not None and point.state == Point.RETIRED:
        raise PointRetired(f"{name} is RETIRED; no line is brought to it any more", resource=name)


async def update_circuit(needs: Dependencies, request: circuit_pb2.UpdateCircuitRequest) -> Circuit:
    """Change the masked fields of a circuit."""

    async def act(connection: Connection) -> Circuit:
        return await MUTATIONS.update(connection, circuits, request, "circuit", check_circuit)

    region = region_of(request.circuit.name)
    return await mutate(needs.database, request, region, Circuit, act)


async def delete_circuit(needs: Dependencies, request: circuit_pb2.DeleteCircuitRequest) -> Empty:
    """Delete a circuit; its history stays."""
    return await MUTATIONS.delete_resource(needs.database, circuits, request)


async def check_circuit(connection: Connection, circuit: Circuit) -> list[Violation]:
    """Return what the proto's rules cannot see: provider, upstream point, dates, their order."""
    wrong = await _provider(connection, circuit) + await _upstream(connection, circuit)
    start, start_wrong = _day(circuit, "start_date")
    end, end_wrong = _day(circuit, "end_date")
    wrong += start_wrong + end_wrong
    if start and end and end < start:
        sentence = f"must not be before startDate, {start.isoformat()}"
        wrong.append(Violation("circuit.endDate", sentence, "PERIOD_REVERSED"))
    return wrong


async def _provider(connection: Connection, circuit: Circuit) -> list[Violation]:
    parent = f"regions/{region_of(circuit.name)}"
    if circuit.provider != f"{parent}/providers/{last_id(circuit.provider)}":
        sentence = f"must be a provider of {parent}"
    elif await providers.read(connection, circuit.provider) is None:
        sentence = f"there is no {circuit.provider}"
    else:
        return []
    return [Violation("circuit.provider", sentence, "PROVIDER_UNKNOWN")]


async def _upstream(connection: Connection, circuit: Circuit) -> list[Violation]:
    field, above = "circuit.upstreamPoint", circuit.upstream_point
    own = circuit.name.rpartition("/circuits/")[0]
    if not above:
        return []
    if region_of(above) != region_of(own):
        sentence = f"must be a point of regions/{region_of(own)}"
        return [Violation(field, sentence, "UPSTREAM_UNKNOWN")]
    if await points.read(connection, above) is None:
        return [circuits.unknown_upstream(circuit)]
    if await circuits.leads_to(connection, above, own):
        sentence = f"{above} is {own} itself or gets its own line through it"
        return [Violation(field, sentence, "UPSTREAM_CIRCLE")]
    return []


def _day(circuit: Circuit, field: str) -> tuple[date | None, list[Violation]]:
    if not circuit.HasField(field):  # type: ignore[arg-type]
        return None, []
    message: date_pb2.Date = getattr(circuit, field)
    try:
        return from_date(message), []
    except ValueError as error:
        first, second = field.split("_")
        path = f"circuit.{first}{second.capitalize()}"
        sentence = f"is no day of the calendar: {error}; give year, month and day"
        return None, [Violation(path, sentence, "DATE_INVALID")]
