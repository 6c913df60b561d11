"""Measurements that wait to be sent: bounded, in order or newest first, never lost on the way.

A measurement is in the file before it counts as taken, and leaves it after the server's answer.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from siteagent.clock import Instant
from siteagent.store import Store, add, put

MOST_REJECTED = 1000


class Order(StrEnum):
    """Which measurements are sent first."""

    NEWEST_FIRST = "newest-first"
    OLDEST_FIRST = "oldest-first"


class Drop(StrEnum):
    """Which measurement is given up when there is no room for another."""

    OLDEST = "oldest"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many measurements are kept, and what becomes of more."""

    most: int = 100_000
    when_full_drop: Drop = Drop.OLDEST
    send: Order = Order.NEWEST_FIRST


class Kept(NamedTuple):
    """A measurement that waits, with the time that it has for ever."""

    number: int
    time_us: int
    body: bytes


class Rejection(NamedTuple):
    """Why the server did not take a measurement."""

    reason: str
    message: str


INSERT = """
INSERT INTO measurements (boot, since_boot_us, wall_us, body)
VALUES (?, ?, ?, ?)
"""

DROP_OLDEST = """
DELETE FROM measurements
 WHERE number IN (SELECT number FROM measurements ORDER BY number LIMIT ?)
"""

CHOOSE = {
    Order.NEWEST_FIRST: "SELECT number FROM measurements ORDER BY number DESC LIMIT ?",
    Order.OLDEST_FIRST: "SELECT number FROM measurements ORDER BY number LIMIT ?",
}

STAMP = """
UPDATE measurements
   SET time_us = coalesce(
       since_boot_us + (SELECT offset_us FROM boots WHERE boots.boot = measurements.boot), wall_us)
 WHERE time_us IS NULL AND number IN (SELECT value FROM json_each(?))
"""

READ = """
SELECT number, time_us, body
  FROM measurements
 WHERE number IN (SELECT value FROM json_each(?))
"""

SET_ASIDE = """
INSERT INTO rejected (number, time_us, reason, message, body)
SELECT number, time_us, ?, ?, body
  FROM measurements
 WHERE number = ?
"""

FORGET_REJECTED = """
DELETE FROM rejected
 WHERE number NOT IN (SELECT number FROM rejected ORDER BY number DESC LIMIT ?)
"""

REMOVE = """
DELETE FROM measurements
 WHERE number IN (SELECT value FROM json_each(?))
"""

LEARN = """
INSERT INTO boots (boot, offset_us)
VALUES (?, ?)
    ON CONFLICT (boot) DO UPDATE SET offset_us = excluded.offset_us
"""

FORGET_BOOTS = """
DELETE FROM boots
 WHERE boot <> ? AND boot NOT IN (SELECT boot FROM measurements WHERE time_us IS NULL)
"""


class Buffer:
    """What waits in a store. Its methods block for as long as the disk takes."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self.store = store
        self._limits = limits

    def add(self, body: bytes, taken: Instant) -> bool:
        """Keep a measurement; tell whether it found room. Whatever is given up is counted."""
        with self.store.transaction() as connection:
            add(connection, "taken", 1)
            excess = add(connection, "waiting", 1) - self._limits.most
            finds_room = excess <= 0 or self._limits.when_full_drop is Drop.OLDEST
            if finds_room:
                connection.execute(INSERT, (taken.boot, taken.since_boot_us, taken.wall_us, body))
            if excess > 0:
                given_up = excess if finds_room else 1
                connection.execute(DROP_OLDEST, (excess if finds_room else 0,))
                add(connection, "dropped", given_up)
                add(connection, "waiting", -given_up)
            return finds_room

    def choose(self, most: int) -> list[Kept]:
        """Return those that are to be sent next, each with its time, which is now set for ever.

        What is sent again after a lost answer has the same time, by which the server knows it.
        """
        with self.store.transaction() as connection:
            rows = connection.execute(CHOOSE[self._limits.send], (most,))
            numbers = [row[0] for row in rows]
            wanted = json.dumps(numbers)
            connection.execute(STAMP, (wanted,))
            found = {row[0]: Kept(*row) for row in connection.execute(READ, (wanted,))}
        return [found[number] for number in numbers]

    def settle(self, numbers: Sequence[int], rejections: Mapping[int, Rejection]) -> None:
        """Forget what the server has answered for; keep aside, by number, what it rejected.

        One that was given up while it was under way was not lost after all.
        """
        with self.store.transaction() as connection:
            for number, why in rejections.items():
                connection.execute(SET_ASIDE, (*why, number))
            connection.execute(FORGET_REJECTED, (MOST_REJECTED,))
            gone = connection.execute(REMOVE, (json.dumps(list(numbers)),)).rowcount
            add(connection, "dropped", gone - len(numbers))
            add(connection, "sent", len(numbers) - len(rejections))
            add(connection, "rejected", len(rejections))
            add(connection, "waiting", -gone)

    def next_sequence(self) -> int:
        """Return a number for a batch, greater than any before."""
        with self.store.transaction() as connection:
            return add(connection, "sequence", 1)

    def learn(self, boot: str, offset_us: int, figures: Mapping[str, int]) -> None:
        """Note how the time since a boot and the server's belong together, and other figures."""
        with self.store.transaction() as connection:
            connection.execute(LEARN, (boot, offset_us))
            connection.execute(FORGET_BOOTS, (boot,))
            for name, value in figures.items():
                put(connection, name, value)

    def rejected(self) -> Iterable[Rejection]:
        """Return why the last ones were rejected, the latest first."""
        with self.store.transaction() as connection:
            rows = connection.execute("SELECT reason, message FROM rejected ORDER BY number DESC")
            return [Rejection(*row) for row in rows]
