"""Outages that a person ordered: a file each, which commands write and the network follows."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from devstack.network.folder import write_whole
from devstack.network.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An outage of one point, or of all points of one district."""

    id: str
    point: str
    """The point's id; "" when it is a district's."""
    district: str
    until: float
    """Seconds since 1970."""

    def hits(self, site: Site) -> bool:
        """Tell whether the site is to be down."""
        return site.point == self.point if self.point else site.district == self.district


ORDER = TypeAdapter(Order)


class Orders:
    """The folder of the orders. None is ever changed: one is written, and removed at its end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "orders"

    def give(self, order: Order) -> None:
        """Add an order; it holds even when the network is not there just now."""
        write_whole(self._folder / f"{order.id}.json", ORDER.dump_json(order))

    def end(self, order: Order) -> None:
        """Take an order back."""
        (self._folder / f"{order.id}.json").unlink(missing_ok=True)

    def now(self, at: float) -> tuple[Order, ...]:
        """Return those that hold at `at`, the first to end first; take back those that ended."""
        known = sorted(self._read(), key=lambda order: order.until)
        for order in known:
            if order.until <= at:
                self.end(order)
        return tuple(order for order in known if order.until > at)

    def _read(self) -> Iterator[Order]:
        for path in self._folder.glob("*.json"):
            try:
                yield ORDER.validate_json(path.read_bytes())
            except (OSError, ValidationError):
                continue  # taken back meanwhile, or no order
