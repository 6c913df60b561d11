"""An inventory with single walls left out: `walled.py '<JSON of Walls>'`."""

import asyncio
import json
import sys
from dataclasses import dataclass

import uvloop
from common.auth.keys import IssuerKeys
from common.auth.tokens import Verifier
from common.postgres import history
from common.postgres.database import Connection, open_database
from common.rpc.server import build_server
from common.sealing import Keyring
from common.telemetry.logs import configure_logs
from common.telemetry.traces import export_traces
from google.protobuf.message import Message
from inventory.api.servicer import published
from inventory.commands import dependencies


@dataclass(frozen=True)
class Walls:
    """What stands; "" leaves a wall out."""

    address: str
    database_url: str
    """The owner's role is not subject to row-level security."""
    issuer: str = ""
    collector: str = ""
    trace_ratio: float = 1.0
    audit: bool = True


async def nothing(*_: object, **__: object) -> list[str]:
    """Record nothing."""
    return []


async def main(walls: Walls) -> None:
    """Serve until killed."""
    configure_logs("INFO", "walled")
    if not walls.audit:
        history.History.record = _unrecorded  # type: ignore[method-assign]
        history.link = nothing  # type: ignore[assignment]
    if walls.collector:
        export_traces("walled", walls.collector, walls.trace_ratio)
    verifier = Verifier(IssuerKeys(walls.issuer), "smartcity") if walls.issuer else None
    keyring = Keyring("k1", {"k1": bytes(32)})
    async with open_database(walls.database_url) as database:
        service = published(dependencies(database, keyring))
        server = build_server("inventory", [service], verifier=verifier)
        server.add_insecure_port(walls.address)
        await server.start()
        await server.wait_for_termination()


async def _unrecorded(
    self: history.History,  # noqa: ARG001 - the method's shape
    connection: Connection,  # noqa: ARG001 - the same
    request: Message,  # noqa: ARG001 - the same
    action: str,  # noqa: ARG001 - the same
    **states: object,  # noqa: ARG001 - the same
) -> list[str]:
    return []


if __name__ == "__main__":
    try:
        uvloop.run(main(Walls(**json.loads(sys.argv[1]))))
    except asyncio.CancelledError:
        sys.exit(0)
