"""A page of any resource: the rows after a key, one more to see whether there is another page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from common.postgres.database import Connection, Row
from common.postgres.pages import Page

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Listed(Generic[Item]):
    """The items of one page, whether there are more, and how many match on all pages."""

    items: list[Item]
    more: bool
    total: int


async def read_page(
    connection: Connection,
    statements: tuple[str, str],
    filters: Sequence[object],
    page: Page,
    from_row: Callable[[Row], Item],
) -> Listed[Item]:
    """Run the list and the count statement.

    Both take `filters`; the list statement then takes the key's parts (NULL for the first page)
    and the limit.
    """
    listing, counting = statements
    rows = await connection.fetch(listing, *filters, *page.after, page.limit)
    total = await connection.fetchval(counting, *filters)
    return Listed([from_row(row) for row in rows[: page.size]], len(rows) > page.size, total)
