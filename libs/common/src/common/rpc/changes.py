"""The method that every service with a history has: `ListChanges`."""

from typing import Any, TypeVar

from google.protobuf.message import Message

from common.errors import ResourceMissing
from common.postgres import history
from common.postgres.database import Database
from common.postgres.pages import Page

Answer = TypeVar("Answer", bound=Message)


async def list_changes(database: Database, request: Any, answer_type: type[Answer]) -> Answer:
    """Return a page of the history of the resource that the request names.

    Raises:
        ResourceMissing: It has none: there never was such a resource.
    """
    page = Page(request, key=(int,))
    async with database.read() as connection:
        listed, last = await history.list_page(connection, request.name, page)
    if not listed.total:
        raise ResourceMissing(request.name)
    return answer_type(
        changes=listed.items,
        next_page_token=page.token(str(last)) if listed.more else "",
        total_size=listed.total,
    )
