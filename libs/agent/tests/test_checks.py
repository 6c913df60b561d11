"""What a check sees is on the disk as the server takes it."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest
from siteagent.buffer import Buffer, Limits
from siteagent.checks import Recorder, run_check
from siteagent.clock import Clock
from siteagent.settings import settings_of
from siteagent.store import Store
from smartcity.monitoring.v1.measurement_pb2 import Measurement

POINT = "regions/64.01/points/PSR-0042"


class NameServer(asyncio.DatagramProtocol):
    """Knows one name."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        name = question.question[0].name
        if name.to_text() == "paserkab.go.id.":
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "10.0.0.1"))
        self.transport.sendto(answer.to_wire(), address)


@pytest.mark.parametrize("name", ["paserkab.go.id", "x.go.id"])
async def test_a_question_to_a_name_server_is_measured(tmp_path: Path, name: str) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    values = {"kind": "DNS", "point": POINT, "address": "127.0.0.1", "port": port, "name": name}
    (check,) = settings_of({"check": [values | {"interval_s": 1}]}).checks
    store, told = Store(tmp_path / "agent.db"), asyncio.Event()
    buffer = Buffer(store, Limits())
    running = asyncio.create_task(run_check(check, Recorder(buffer, Clock(), "agent", told)))
    await asyncio.wait_for(told.wait(), 20)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    measurement = Measurement.FromString(buffer.choose(1)[0].body)
    store.close()
    transport.close()
    assert (measurement.point, measurement.source) == (POINT, "agent")
    assert (measurement.method, measurement.success) == ("dns", name == "paserkab.go.id")
    assert measurement.dns_ms > 0
