"""Checks that come and go with the circuits of the inventory."""

from datetime import date

from common.errors import FieldsInvalid
from common.names import last_id
from common.postgres import history
from common.postgres.database import Connection
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.events_pb2 import CircuitChanged
from smartcity.monitoring.v1 import check_pb2
from smartcity.monitoring.v1.check_pb2 import Check

from monitoring.operations.publish import MUTATIONS
from monitoring.operations.write_check import complete_check
from monitoring.storage import checks
from monitoring.storage.circuits import service_days


async def derive_check(
    connection: Connection, change: CircuitChanged, default: Check, today: date
) -> None:
    """Have a check of a circuit's monitored address while the circuit is in service.

    A new one is as `default`. An existing one takes the address and the days of service; the rest
    of it is left as it is, for an operator may have changed it. A check of the same id that
    somebody created is theirs, and stays.
    """
    circuit = change.circuit
    name = circuit.name.replace("/circuits/", "/checks/")
    before = await checks.read(connection, name, lock=True)
    if before and not before.circuit:
        return
    if change.deleted or not circuit.monitored_address or _is_over(circuit, today):
        await _end(connection, before)
    elif before:
        await _move(connection, before, circuit)
    else:
        await _begin(connection, name, circuit, default)
    await checks.set_service(connection, name, *service_days(circuit))
    await history.link(connection)


async def forget_checks(connection: Connection, point: str) -> None:
    """Delete all checks of a point that is no more."""
    for check in await checks.of_point(connection, point):
        await _end(connection, check)
    await history.link(connection)


async def _begin(connection: Connection, name: str, circuit: Circuit, default: Check) -> None:
    draft = Check(name=name, address=circuit.monitored_address, circuit=circuit.name)
    draft.MergeFrom(default)
    wrong = await complete_check(connection, draft)
    if wrong:
        raise FieldsInvalid(wrong)
    created = await checks.insert(connection, draft)
    request = check_pb2.CreateCheckRequest(check_id=last_id(name))
    await MUTATIONS.publish(connection, request, "create", after=created)


async def _move(connection: Connection, before: Check, circuit: Circuit) -> None:
    if before.address == circuit.monitored_address:
        return
    moved = Check()
    moved.CopyFrom(before)
    moved.address = circuit.monitored_address
    after = await checks.update(connection, moved)
    request = check_pb2.UpdateCheckRequest()
    await MUTATIONS.publish(connection, request, "update", before=before, after=after)


async def _end(connection: Connection, before: Check | None) -> None:
    if before:
        request = check_pb2.DeleteCheckRequest(name=before.name)
        await MUTATIONS.delete(connection, checks, request, before)


def _is_over(circuit: Circuit, today: date) -> bool:
    _, end = service_days(circuit)
    return end is not None and end <= today
