"""Creating, changing and deleting checks."""

from common.errors import Kind, ResourceMissing, ServiceError, Violation
from common.names import last_id, region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate, read_for_change
from google.protobuf.empty_pb2 import Empty
from smartcity.monitoring.v1 import check_pb2
from smartcity.monitoring.v1.check_pb2 import Check

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.publish import MUTATIONS
from monitoring.storage import checks, points

PACKETS, SPACING_MS, TIMEOUT_MS, INTERVAL_S = 5, 100, 2000, 60
SHORTEST_TIMEOUT_MS = 10
ASK_ONCE = (Check.HTTP, Check.DNS)


class CheckDerived(ServiceError):
    """The check comes and goes with a circuit."""

    kind = Kind.WRONG_STATE
    reason = "CHECK_DERIVED"


async def create_check(needs: Dependencies, request: check_pb2.CreateCheckRequest) -> Check:
    """Create a check of a point."""

    async def act(connection: Connection) -> Check:
        draft = request.check
        draft.name = f"{request.parent}/checks/{request.check_id or needs.new_id()}"
        draft.circuit = ""
        created = await MUTATIONS.create(connection, checks, request, draft, complete_check)
        region, point = region_of(request.parent), last_id(request.parent)
        if not await points.known(connection, region, [point]):
            raise ResourceMissing(request.parent)
        return created

    return await mutate(needs.database, request, region_of(request.parent), Check, act)


async def update_check(needs: Dependencies, request: check_pb2.UpdateCheckRequest) -> Check:
    """Change the masked fields of a check."""

    async def act(connection: Connection) -> Check:
        return await MUTATIONS.update(connection, checks, request, "check", _complete_changed)

    return await mutate(needs.database, request, region_of(request.check.name), Check, act)


async def delete_check(needs: Dependencies, request: check_pb2.DeleteCheckRequest) -> Empty:
    """Delete a check that somebody created; its history stays.

    Raises:
        CheckDerived: It is derived from a circuit.
    """

    async def act(connection: Connection) -> Empty:
        before = await read_for_change(connection, checks, request.name, request.etag)
        if before.circuit:
            sentence = f"{request.name} goes with {before.circuit}; it may be paused"
            raise CheckDerived(sentence, resource=request.name, circuit=before.circuit)
        return await MUTATIONS.delete(connection, checks, request, before)

    return await mutate(needs.database, request, region_of(request.name), Empty, act)


async def complete_check(_: Connection, check: Check) -> list[Violation]:
    """Fill in the defaults; return what is wrong when the last packet does not fit the interval."""
    check.packets = check.packets or PACKETS
    check.spacing_ms = check.spacing_ms or SPACING_MS
    check.interval_s = check.interval_s or INTERVAL_S
    last_ms = 0 if check.kind in ASK_ONCE else (check.packets - 1) * check.spacing_ms
    left_ms = check.interval_s * 1000 - last_ms
    fitting_ms = left_ms if left_ms >= SHORTEST_TIMEOUT_MS else TIMEOUT_MS
    check.timeout_ms = check.timeout_ms or min(TIMEOUT_MS, fitting_ms)
    if check.timeout_ms <= left_ms:
        return []
    sentence = (
        f"{check.timeout_ms} is too long: the last packet leaves after {last_ms} ms of the "
        f"interval's {check.interval_s * 1000}"
    )
    return [Violation("check.timeoutMs", sentence, "TIMEOUT_BEYOND_INTERVAL")]


async def _complete_changed(connection: Connection, check: Check) -> list[Violation]:
    wrong = await complete_check(connection, check)
    stored = await checks.read(connection, check.name)
    if stored and stored.circuit and stored.address != check.address:
        sentence = f"is that of {stored.circuit}; change its monitoredAddress"
        wrong.append(Violation("check.address", sentence, CheckDerived.reason))
    return wrong
