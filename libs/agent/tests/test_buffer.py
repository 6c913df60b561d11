"""The buffer against a model of it, restarts and kills included."""

import asyncio
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from devstack.outside import Outside
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from siteagent.buffer import Buffer, Drop, Limits, Order, Rejection
from siteagent.clock import Instant
from siteagent.store import Store


@dataclass
class Waiting:
    """A measurement as the model knows it."""

    body: bytes
    taken: Instant
    time_us: int | None = None


class BufferMachine(RuleBasedStateMachine):
    """Adds, sends, loses answers, restarts and reboots in any order."""

    @initialize(
        most=st.integers(1, 6), drop=st.sampled_from(list(Drop)), order=st.sampled_from(list(Order))
    )
    def begin(self, most: int, drop: Drop, order: Order) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="buffer-"))
        self.limits = Limits(most, drop, order)
        self.store = Store(self.folder / "db")
        self.waiting: list[Waiting] = []
        self.under_way: tuple[list[int], list[Waiting]] | None = None
        self.counts = dict.fromkeys(("taken", "sent", "rejected", "dropped"), 0)
        self.boot, self.offsets, self.now_us = 0, dict[str, int](), 0

    @property
    def buffer(self) -> Buffer:
        return Buffer(self.store, self.limits)

    @rule()
    def add(self) -> None:
        self.now_us += 1
        number = self.counts["taken"]
        taken = Instant(f"boot-{self.boot}", self.now_us, 10_000_000 + self.now_us)
        found_room = self.buffer.add(str(number).encode(), taken)
        self.counts["taken"] += 1
        assert found_room == (
            len(self.waiting) < self.limits.most or self.limits.when_full_drop is Drop.OLDEST
        )
        if found_room:
            self.waiting.append(Waiting(str(number).encode(), taken))
        else:
            self.counts["dropped"] += 1
        while len(self.waiting) > self.limits.most:
            del self.waiting[0]
            self.counts["dropped"] += 1

    @rule(offset_us=st.integers(-(10**12), 10**12))
    def learn(self, offset_us: int) -> None:
        self.offsets[f"boot-{self.boot}"] = offset_us
        self.buffer.learn(f"boot-{self.boot}", offset_us, {"skew_ms": offset_us})

    @rule(most=st.integers(1, 7))
    def choose(self, most: int) -> None:
        newest = self.limits.send is Order.NEWEST_FIRST
        expected = (self.waiting[::-1] if newest else self.waiting)[:most]
        for one in expected:
            if one.time_us is None:
                offset_us = self.offsets.get(one.taken.boot)
                one.time_us = (
                    one.taken.wall_us if offset_us is None else one.taken.since_boot_us + offset_us
                )
        chosen = self.buffer.choose(most)
        assert [(kept.body, kept.time_us) for kept in chosen] == [
            (one.body, one.time_us) for one in expected
        ]
        self.under_way = [kept.number for kept in chosen], expected

    @precondition(lambda self: self.under_way)
    @rule(rejected=st.sets(st.integers(0, 6)))
    def settle(self, rejected: set[int]) -> None:
        assert self.under_way
        numbers, sent = self.under_way
        why = Rejection("POINT_UNKNOWN", "there is none")
        places = [place for place in rejected if place < len(numbers)]
        self.buffer.settle(numbers, {numbers[place]: why for place in places})
        still = [one for one in self.waiting if one in sent]
        self.counts["dropped"] -= len(sent) - len(still)
        self.counts["sent"] += len(sent) - len(places)
        self.counts["rejected"] += len(places)
        self.waiting = [one for one in self.waiting if one not in sent]
        self.under_way = None

    @rule()
    def lose_the_answer(self) -> None:
        self.under_way = None

    @rule()
    def restart(self) -> None:
        self.under_way = None
        self.store.close()
        self.store = Store(self.folder / "db")

    @rule()
    def reboot(self) -> None:
        self.restart()
        self.boot += 1
        self.now_us = 0

    @invariant()
    def counts_as_the_model(self) -> None:
        figures = self.store.figures()
        assert figures.get("waiting", 0) == len(self.waiting)
        for name, value in self.counts.items():
            assert figures.get(name, 0) == value, name

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


TestBuffer = BufferMachine.TestCase
TestBuffer.settings = settings(max_examples=60, stateful_step_count=30)


ADDING = """
import sys
from siteagent.buffer import Buffer, Limits
from siteagent.clock import Clock
from siteagent.store import Store
from pathlib import Path

buffer, clock = Buffer(Store(Path(sys.argv[1])), Limits()), Clock()
number = 0
while True:
    buffer.add(str(number).encode(), clock.now())
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("after", [1, 17, 200])
async def test_what_counts_as_taken_is_there_after_a_kill(tmp_path: Path, after: int) -> None:
    process = await Outside.start("-c", ADDING, str(tmp_path / "db"))
    await process.line(f"{after}")
    await process.end(signal.SIGKILL)
    told = int(process.lines[-1] if process.lines[-1].endswith("\n") else process.lines[-2])
    store = Store(tmp_path / "db")
    bodies = [kept.body for kept in Buffer(store, Limits(send=Order.OLDEST_FIRST)).choose(10**6)]
    store.close()
    assert len(bodies) in (told + 1, told + 2)
    assert bodies == [str(number).encode() for number in range(len(bodies))]


def test_rejected_ones_are_kept_aside_up_to_a_number(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    buffer = Buffer(store, Limits())
    for number in range(1100):
        buffer.add(b"x", Instant("b", number, number))
    numbers = [kept.number for kept in buffer.choose(1100)]
    buffer.settle(numbers, {number: Rejection("INVALID", str(number)) for number in numbers})
    aside = list(buffer.rejected())
    assert len(aside) == 1000
    assert aside[0].message == str(max(numbers))
    store.close()


def test_a_batch_number_is_never_given_twice(tmp_path: Path) -> None:
    given = []
    for _ in range(3):
        store = Store(tmp_path / "db")
        given += [Buffer(store, Limits()).next_sequence() for _ in range(2)]
        store.close()
    assert given == [1, 2, 3, 4, 5, 6]


async def test_threads_may_use_one_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    buffer = Buffer(store, Limits(most=20))

    def add(number: int) -> None:
        buffer.add(b"x", Instant("b", number, number))

    await asyncio.gather(*(asyncio.to_thread(add, number) for number in range(50)))
    figures = store.figures()
    assert (figures["taken"], figures["waiting"], figures["dropped"]) == (50, 20, 30)
    assert len(buffer.choose(100)) == 20
    store.close()
