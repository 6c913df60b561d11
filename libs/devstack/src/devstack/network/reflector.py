"""One socket that answers STAMP packets at every address of the block, each as its line does.

A socket for each address took 30 MB of this process and 37 MB of the kernel for 10,000 of them,
and more descriptors than many machines allow; one that learns from the kernel which address was
asked (IP_PKTINFO, ip(7)) costs nothing for each.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

from probes.stamp_packets import now, reflection

from devstack.errors import PortBusy
from devstack.network.addresses import is_simulated

Delay = Callable[[str], float | None]
"""Given the address that was asked, the seconds until it answers; None: never."""

IP_PKTINFO = 8  # linux/in.h
PKTINFO = struct.Struct("@I4s4s")  # interface, the local address, the packet's destination
LARGEST = 1500
AT_A_TIME = 64
WAITING_BYTES = 4 * 1024 * 1024
"""What the kernel keeps for us while we are busy: all points may be asked in one moment."""


class Reflector:
    """Between `start` and `stop`, answers."""

    def __init__(self, delay: Delay) -> None:
        self._delay = delay
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # noqa: FBT003 - the library's shape
        self._socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WAITING_BYTES)

    def start(self, port: int) -> None:
        """Listen.

        Raises:
            PortBusy: Somebody else does, on that port.
        """
        try:
            # The kernel takes no packet from elsewhere to an address in 127.0.0.0/8, and what
            # comes to another address of this machine is dropped below.
            self._socket.bind(("0.0.0.0", port))  # noqa: S104
        except OSError as error:
            self._socket.close()
            raise PortBusy(f"UDP port {port} cannot be had: {error.strerror}") from error
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def stop(self) -> None:
        """Close the socket; packets on their way are lost."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _receive(self) -> None:
        room = socket.CMSG_SPACE(PKTINFO.size)
        for _ in range(AT_A_TIME):
            try:
                packet, ancillary, _, sender = self._socket.recvmsg(LARGEST, room)
            except OSError:
                return  # nothing more for now
            asked = _destination(ancillary)
            if asked is not None:
                self._carry(packet, asked, sender)

    def _carry(self, packet: bytes, asked: bytes, sender: Any) -> None:
        delay_s = self._delay(socket.inet_ntoa(asked))
        if delay_s is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(delay_s, self._answer, packet, asked, sender)

    def _answer(self, packet: bytes, asked: bytes, sender: Any) -> None:
        answer = reflection(packet, now())
        if answer is None:
            return
        source = (socket.IPPROTO_IP, IP_PKTINFO, PKTINFO.pack(0, asked, asked))
        with contextlib.suppress(OSError):  # lost, as on any line
            self._socket.sendmsg([answer], [source], 0, sender)


def _destination(ancillary: list[tuple[int, int, bytes]]) -> bytes | None:
    """Return the address that the packet was sent to, if it is of the block."""
    for level, kind, content in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            asked = PKTINFO.unpack(content[: PKTINFO.size])[2]
            return asked if is_simulated(socket.inet_ntoa(asked)) else None
    return None
