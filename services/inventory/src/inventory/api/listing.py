"""What every List method does around its query."""

from common.errors import ResourceMissing
from common.names import region_of
from common.postgres.database import Connection

from inventory.storage import regions


async def require_region(connection: Connection, parent: str) -> None:
    """Refuse a region that does not exist; an empty list would claim that it does."""
    if await regions.read_region(connection, region_of(parent)) is None:
        raise ResourceMissing(f"regions/{region_of(parent)}")
