"""The agent's memory: one SQLite file that is whole after a kill or a power cut at any moment."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

SCHEMA = Path(__file__).with_name("schema.sql")
BUSY_S = 10.0

ADD = """
INSERT INTO figures (name, value)
VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = value + excluded.value
RETURNING value
"""

SET = """
INSERT INTO figures (name, value)
VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


class Store:
    """The file, shared by threads; each transaction is on the disk when it ends.

    A write-ahead log with synchronous=FULL: a commit returns after the log is flushed.
    """

    def __init__(self, path: Path) -> None:
        self._turn = Lock()
        self._connection = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(SCHEMA.read_text(encoding="utf-8"))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction, which an error undoes."""
        with self._turn:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def figures(self) -> Mapping[str, int]:
        """Return all figures by name."""
        with self.transaction() as connection:
            return dict(connection.execute("SELECT name, value FROM figures"))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def add(connection: sqlite3.Connection, name: str, amount: int) -> int:
    """Add to a figure, which begins with 0, and return it."""
    return int(connection.execute(ADD, (name, amount)).fetchone()[0])


def put(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Set a figure."""
    connection.execute(SET, (name, value))
