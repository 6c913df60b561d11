"""A STAMP reflector (RFC 8762): what the far end of a line answers with, or seems to.

The delay that it is told belongs to the line: a packet counts as received when the delay is over,
so that a sender who subtracts the reflector's own time still measures it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from probes.stamp_packets import now, reflection

Answer = Callable[[bytes], float | None]
"""Given a sender's packet, the seconds until it is answered; None: it is lost."""


def at_once(_: bytes) -> float:
    """Answer every packet without delay."""
    return 0.0


@asynccontextmanager
async def reflector(host: str, port: int = 0, answer: Answer = at_once) -> AsyncIterator[int]:
    """Answer on UDP `host`:`port` while the context lasts; gives the port, of use when it was 0.

    Raises:
        OSError: The address is not of this machine, or in use.
    """
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Reflector(loop, answer), local_addr=(host, port)
    )
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


class _Reflector(asyncio.DatagramProtocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, answer: Answer) -> None:
        self._loop = loop
        self._answer = answer
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: Any) -> None:
        delay_s = self._answer(data)
        if delay_s:
            self._loop.call_later(delay_s, self._reflect, data, address)
        elif delay_s is not None:
            self._reflect(data, address)

    def _reflect(self, packet: bytes, address: Any) -> None:
        answer = reflection(packet, now())
        if answer and self._transport and not self._transport.is_closing():
            self._transport.sendto(answer, address)
