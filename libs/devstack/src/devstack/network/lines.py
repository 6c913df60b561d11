"""The lines as they are now: what the script says, and what people ordered."""

import time
from collections.abc import Callable, Iterable

from devstack.network import script
from devstack.network.addresses import OWN
from devstack.network.orders import Order
from devstack.network.script import Health
from devstack.network.site import Site
from devstack.network.technologies import kind_of

STRAINED_LOSS = 0.25
STRAINED_MS = 400.0
"""What waits in the queues of a line that is strained to the utmost, whatever it is made of."""


class Lines:
    """Tells of each packet whether and when it is answered."""

    def __init__(self, seed: int, clock: Callable[[], float] = time.time) -> None:
        self._seed = seed
        self._clock = clock
        self._dice = script.chances(seed, "packets")
        self._sites: dict[str, Site] = {}
        self._orders: tuple[Order, ...] = ()
        self._own_ms: dict[str, float] = {}
        self._health: dict[str, Health] = {}

    def lay(self, sites: Iterable[Site]) -> None:
        """Lead lines to these sites and no others."""
        self._sites = {site.address: site for site in sites}
        self._own_ms = {site.address: own_ms(site, self._seed) for site in self._sites.values()}
        self._health.clear()

    def follow(self, orders: tuple[Order, ...]) -> None:
        """Break what is ordered, and mend what no order holds down any more."""
        if orders != self._orders:
            self._orders = orders
            self._health.clear()

    def delay_s(self, address: str) -> float | None:
        """Return in how many seconds a packet to the address is answered; None: it is lost.

        Whoever asks at an address that no line leads to hears nothing.
        """
        if address == OWN:
            return 0.0
        site = self._sites.get(address)
        return None if site is None else self._of_line(site, self.health(site))

    def health(self, site: Site) -> Health:
        """Return how the site's line is now."""
        now = self._clock()
        known = self._health.get(site.address)
        if known is None or not now < known.until:
            known = self._health[site.address] = self._asked(site, now)
        return known

    def _asked(self, site: Site, now: float) -> Health:
        ends = [order.until for order in self._orders if order.hits(site) and now < order.until]
        if ends:
            return Health(down=True, strain=0.0, until=max(ends))
        return script.health(self._seed, site, now)

    def _of_line(self, site: Site, health: Health) -> float | None:
        kind = kind_of(site.technology)
        if health.down or self._dice.random() < kind.loss + health.strain * STRAINED_LOSS:
            return None
        delay_ms = self._own_ms[site.address] + self._dice.expovariate(1 / kind.jitter_ms)
        return (min(delay_ms, kind.longest_ms) + health.strain * STRAINED_MS) / 1000


def own_ms(site: Site, seed: int) -> float:
    """Return the line's own delay, in the lower half of what its technology has."""
    kind = kind_of(site.technology)
    middle = (kind.shortest_ms + kind.longest_ms) / 2
    return script.chances(seed, "delay", site.address).uniform(kind.shortest_ms, middle)
