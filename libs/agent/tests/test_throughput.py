"""Throughput tests transfer what they say, and never more than the budget pays for."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from siteagent.budget import Budget
from siteagent.clock import Clock
from siteagent.store import Store
from siteagent.throughput import Plan, Throughput, on_the_line

SIZE = 300_000
POINT = "regions/64.01/points/P"


@dataclass
class FarEnd:
    """A server that gives and takes bytes, and counts them."""

    url: str = ""
    bodies: int = 0
    knows_range: bool = True
    fails: bool = False

    def handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        far = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                size = 10 * SIZE
                if far.knows_range:
                    size = int(self.headers["range"].rpartition("-")[2]) + 1
                self.send_response(500 if far.fails else 206)
                self.send_header("content-length", str(size))
                self.end_headers()
                try:
                    self.wfile.write(bytes(size))
                except OSError:
                    return
                far.bodies += size

            def do_POST(self) -> None:
                far.bodies += len(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


@pytest.fixture
def far() -> Iterator[FarEnd]:
    one = FarEnd()
    server = ThreadingHTTPServer(("127.0.0.1", 0), one.handler())
    one.url = f"http://127.0.0.1:{server.server_port}/"
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield one
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
async def throughput(tmp_path: Path, far: FarEnd) -> AsyncIterator[Throughput]:
    store, clock = Store(tmp_path / "db"), Clock("b")
    now = clock.now()
    clock.learn(now, now, now.wall_us)
    plan = Plan(POINT, 60, SIZE, 3 * on_the_line(SIZE), far.url, far.url)
    async with httpx.AsyncClient() as client:
        yield Throughput(plan, Budget(store, plan.month_bytes), clock, client)
    store.close()


def spent(throughput: Throughput) -> int:
    return throughput.budget.spent(throughput.clock.server_us(throughput.clock.now()))


async def test_both_directions_are_measured_and_paid(throughput: Throughput, far: FarEnd) -> None:
    measurement = await throughput.test()
    assert measurement is not None
    assert measurement.download_mbps > 0
    assert measurement.upload_mbps > 0
    assert measurement.method == "throughput"
    assert far.bodies == 2 * SIZE
    assert spent(throughput) == 2 * on_the_line(SIZE)


async def test_what_the_budget_does_not_pay_is_not_transferred(
    throughput: Throughput, far: FarEnd
) -> None:
    await throughput.test()
    last = await throughput.test()
    assert last is not None
    assert not last.HasField("upload_mbps")
    assert await throughput.test() is None
    assert far.bodies == 3 * SIZE
    assert spent(throughput) <= throughput.plan.month_bytes


async def test_before_the_servers_time_is_known_nothing_is_transferred(
    throughput: Throughput, far: FarEnd
) -> None:
    throughput.clock.forget()
    assert await throughput.test() is None
    assert far.bodies == 0


@pytest.mark.parametrize("fault", ["knows_range", "fails"])
async def test_a_transfer_that_failed_stays_paid(
    throughput: Throughput, far: FarEnd, fault: str
) -> None:
    setattr(far, fault, fault == "fails")
    only_down = replace(throughput, plan=replace(throughput.plan, upload_url=""))
    assert await only_down.test() is None
    assert spent(throughput) == on_the_line(SIZE)
