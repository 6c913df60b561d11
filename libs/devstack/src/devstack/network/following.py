"""Keeps the lines as the inventory and people's orders want them."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from common.telemetry.logs import logger

from devstack.errors import TokenRefused
from devstack.network.folder import write_whole
from devstack.network.inventory import Inventory, open_inventory
from devstack.network.laying import lay, missing_lines, sites_of, with_lines
from devstack.network.lines import Lines
from devstack.network.orders import Orders
from devstack.network.settings import NetworkSettings
from devstack.network.site import Site
from devstack.network.sites import laid_mark, read_sites, write_sites
from devstack.tokens import fetch_token

LOOK_FOR_ORDERS_S = 0.1
LOOK_AT_INVENTORY_S = 30.0
TRY_AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Follower:
    """Two loops that go on until they are cancelled."""

    settings: NetworkSettings
    lines: Lines
    orders: Orders

    async def follow_orders(self) -> None:
        """Break and mend within `LOOK_FOR_ORDERS_S` what is ordered."""
        known = self.orders.now(time.time())
        while True:
            self.lines.follow(known)
            await asyncio.sleep(LOOK_FOR_ORDERS_S)
            before, known = known, self.orders.now(time.time())
            if known != before:
                broken = [order.point or order.district for order in known]
                logger().info("outages ordered", broken=broken)

    async def follow_inventory(self) -> None:
        """Lay the demonstration's lines once, then lead lines to where the circuits are."""
        while self.settings.inventory_address:
            pause_s = LOOK_AT_INVENTORY_S
            try:
                await self._look()
            except (grpc.aio.AioRpcError, TokenRefused) as error:
                logger().warning("inventory away", lines="as they were", error=_why(error))
                pause_s = TRY_AGAIN_S
            await asyncio.sleep(pause_s)

    async def _look(self) -> None:
        settings = self.settings
        async with open_inventory(
            settings.inventory_address, await _token(settings), settings.region
        ) as inventory:
            await self._lay_once(inventory)
            self._lead_to(sites_of(await inventory.stock()))

    async def _lay_once(self, inventory: Inventory) -> None:
        """Lay what is missing, unless that was done: a line that a person deleted stays deleted."""
        done = laid_mark(self.settings.folder, self.settings.region)
        if done.exists():
            return
        stock = await inventory.stock()
        lines = [*missing_lines(stock, self.settings.seed)]
        if not lines:
            return
        # First the lines, then the circuits: whoever hears of a circuit finds its line answering.
        self._lead_to(sites_of(with_lines(stock, lines)))
        began = time.monotonic()
        logger().info("laying the demonstration's lines", points=len(lines))
        laid = await lay(inventory, lines)
        write_whole(done, b"")
        logger().info("laid", lines=laid, seconds=round(time.monotonic() - began, 1))

    def _lead_to(self, wanted: Iterable[Site]) -> None:
        sites = tuple(wanted)
        if sites != read_sites(self.settings.folder):
            write_sites(self.settings.folder, sites)
            self.lines.lay(sites)
            logger().info("lines", count=len(sites))


async def _token(settings: NetworkSettings) -> str:
    if not settings.issuer:
        return ""
    grants = [f"{settings.region}/operator"]
    return await fetch_token(settings.issuer, settings.secrets_folder, grants)


def _why(error: grpc.aio.AioRpcError | TokenRefused) -> str:
    return str(error) if isinstance(error, TokenRefused) else f"{error.code()}: {error.details()}"
