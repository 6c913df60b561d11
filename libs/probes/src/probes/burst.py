"""A burst of packets: sent at even distances, whatever becomes of those before."""

import asyncio
import socket
import time
from typing import NamedTuple, Protocol

from probes.addresses import sentence
from probes.outcome import Outcome
from probes.target import Target

MOST_BYTES = 2048


class Answer(NamedTuple):
    """Which packet was answered, and how long the far end kept it."""

    sequence: int
    stayed_s: float = 0.0


class Wire(Protocol):
    """A kind of packets. Answers to another burst, or to nothing, are none."""

    def request(self, sequence: int) -> bytes:
        """Return the packet to send."""

    def answer(self, packet: bytes) -> Answer | None:
        """Return what a packet that came answers."""


async def burst(line: socket.socket, wire: Wire, target: Target) -> Outcome:
    """Send the target's packets over a connected socket, and wait for each up to its timeout."""
    line.setblocking(False)  # noqa: FBT003 - as the standard library names it
    loop = asyncio.get_running_loop()
    under_way = _Burst(line, wire, target)
    loop.add_reader(line, under_way.read)
    try:
        await under_way.send()
        await under_way.wait()
    finally:
        loop.remove_reader(line)
    return under_way.outcome()


class _Burst:
    def __init__(self, line: socket.socket, wire: Wire, target: Target) -> None:
        self._line = line
        self._wire = wire
        self._target = target
        self._sent_at: list[float] = []
        self._round_trips_ms: dict[int, float] = {}
        self._complete = asyncio.Event()
        self._error = ""

    async def send(self) -> None:
        begin = time.perf_counter()
        for sequence in range(self._target.packets):
            pause_s = begin + sequence * self._target.spacing_s - time.perf_counter()
            if sequence:
                await asyncio.sleep(max(pause_s, 0))
            packet = self._wire.request(sequence)
            self._sent_at.append(time.perf_counter())
            # A socket tells at the next send what became of the packet before: that one is not
            # sent then, so it is tried once more.
            if not self._sends(packet):
                self._sends(packet)

    def _sends(self, packet: bytes) -> bool:
        try:
            self._line.send(packet)
        except OSError as error:
            self._error = sentence(error)
            return False
        return True

    async def wait(self) -> None:
        """Wait until all are answered, or the last one's time is over."""
        left_s = self._sent_at[-1] + self._target.timeout_s - time.perf_counter()
        try:
            async with asyncio.timeout(left_s):
                await self._complete.wait()
        except TimeoutError:
            self._error = self._error or sentence(TimeoutError())

    def read(self) -> None:
        """Take all packets that have come."""
        now = time.perf_counter()
        while True:
            try:
                packet = self._line.recv(MOST_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._error = sentence(error)
                return
            answer = self._wire.answer(packet)
            if answer:
                self._note(answer, now)

    def _note(self, answer: Answer, now: float) -> None:
        """Note the first answer to a packet, unless it comes too late."""
        sequence = answer.sequence
        if sequence >= len(self._sent_at) or sequence in self._round_trips_ms:
            return
        took_s = now - self._sent_at[sequence]
        if took_s > self._target.timeout_s:
            return
        stayed_s = answer.stayed_s if 0 <= answer.stayed_s <= took_s else 0.0
        self._round_trips_ms[sequence] = (took_s - stayed_s) * 1000
        if len(self._round_trips_ms) == self._target.packets:
            self._complete.set()

    def outcome(self) -> Outcome:
        attempts = tuple(map(self._round_trips_ms.get, range(len(self._sent_at))))
        return Outcome(attempts, error=self._error if None in attempts else "")
