"""The other ends of the prober's benchmark: `reflect` answers, `ping` is the bare loop beside it.

Both are processes of their own, so that each one's processor time is its own.
"""

import asyncio
import sys
import time
from typing import Any

import uvloop
from probes.stamp_packets import request
from probes.stamp_reflector import reflector

HOST = "127.64.200.1"
PINGS = 30_000


class Pings(asyncio.DatagramProtocol):
    """One socket; whoever sends waits for the next answer."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[float] | None = None

    def datagram_received(self, _: bytes, __: Any) -> None:
        """Tell when it came."""
        if self.answered and not self.answered.done():
            self.answered.set_result(time.perf_counter())


async def ping(port: int) -> None:
    """Ping one after the other, and print how many a second of the processor's time allows."""
    loop = asyncio.get_running_loop()
    transport, pings = await loop.create_datagram_endpoint(Pings, remote_addr=(HOST, port))
    cpu = time.process_time()
    for number in range(PINGS):
        pings.answered = loop.create_future()
        transport.sendto(request(number, 0))
        await asyncio.wait_for(pings.answered, 2)
    print(PINGS / (time.process_time() - cpu))
    transport.close()


async def reflect(port: int) -> None:
    """Answer until killed."""
    async with reflector(HOST, port):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run({"ping": ping, "reflect": reflect}[sys.argv[1]](int(sys.argv[2])))
