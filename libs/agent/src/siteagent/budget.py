"""The data that throughput tests may use in a month: paid before it flows, so never overdrawn."""

from dataclasses import dataclass
from datetime import UTC, datetime

from siteagent.store import Store

SPEND = """
INSERT INTO spent (month, bytes)
SELECT ?1, ?2
 WHERE coalesce((SELECT bytes FROM spent WHERE month = ?1), 0) + ?2 <= ?3
    ON CONFLICT (month) DO UPDATE SET bytes = bytes + excluded.bytes
"""

GIVE_BACK = """
UPDATE spent
   SET bytes = bytes - ?
 WHERE month = ?
"""

SPENT = "SELECT bytes FROM spent WHERE month = ?"


@dataclass(frozen=True, slots=True)
class Reservation:
    """Bytes of a month that are paid for."""

    month: str
    size: int


@dataclass(frozen=True, slots=True)
class Budget:
    """A month's bytes. Months are those of UTC, by the server's time."""

    store: Store
    month_bytes: int

    def reserve(self, size: int, server_us: int) -> Reservation | None:
        """Pay for `size` bytes before they flow; None when the month has not as many left.

        After a kill they stay paid: what had flowed by then is not known.
        """
        month = month_of(server_us)
        with self.store.transaction() as connection:
            paid = connection.execute(SPEND, (month, size, self.month_bytes)).rowcount
        return Reservation(month, size) if paid else None

    def settle(self, reservation: Reservation, used: int) -> None:
        """Give back what was paid and did not flow."""
        with self.store.transaction() as connection:
            unused = max(reservation.size - used, 0)
            connection.execute(GIVE_BACK, (unused, reservation.month))

    def spent(self, server_us: int) -> int:
        """Return the bytes that are paid in the month."""
        with self.store.transaction() as connection:
            row = connection.execute(SPENT, (month_of(server_us),)).fetchone()
        return int(row[0]) if row else 0


def month_of(server_us: int) -> str:
    """Return the month as `2026-11`."""
    return datetime.fromtimestamp(server_us / 1e6, UTC).strftime("%Y-%m")
