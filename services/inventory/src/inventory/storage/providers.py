"""Providers: rows as messages and messages as rows."""

import asyncpg
from common.errors import Kind, ResourceExists, ResourceMissing, ServiceError
from common.names import ids, last_id, region_of
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import etag, present, region_name, timestamp
from smartcity.inventory.v1 import provider_pb2
from smartcity.inventory.v1.provider_pb2 import Provider

NAMED = provider_pb2.GetProviderRequest

WRITTEN = "region_code, provider_id, display_name, legal_name, support_desk"
COLUMNS = WRITTEN + ", version, create_time, update_time"


class ProviderInUse(ServiceError):
    """A circuit names the provider."""

    kind = Kind.WRONG_STATE
    reason = "PROVIDER_IN_USE"


def from_row(row: Row) -> Provider:
    """Return the provider that a row with COLUMNS holds."""
    return Provider(
        name=f"{region_name(row['region_code'])}/providers/{row['provider_id']}",
        display_name=row["display_name"],
        legal_name=row["legal_name"],
        support_desk=row["support_desk"],
        etag=etag(row["version"], row["update_time"]),
        create_time=timestamp(row["create_time"]),
        update_time=timestamp(row["update_time"]),
    )


def to_row(provider: Provider) -> tuple[object, ...]:
    """Return the values of WRITTEN."""
    texts = (provider.display_name, provider.legal_name, provider.support_desk)
    return (*ids(provider.name), *texts)


GET = f"""
SELECT {COLUMNS}
  FROM providers
 WHERE region_code = $1 AND provider_id = $2
"""


async def read(connection: Connection, name: str, *, lock: bool = False) -> Provider | None:
    """Return the provider of this name, locked until the transaction's end when asked."""
    row = await connection.fetchrow(GET + ("FOR UPDATE" if lock else ""), *ids(name))
    return from_row(row) if row else None


INSERT = f"""
INSERT INTO providers ({WRITTEN})
VALUES ($1, $2, $3, $4, $5)
RETURNING {COLUMNS}
"""


async def insert(connection: Connection, provider: Provider) -> Provider:
    """Store a new provider and return it as stored.

    Raises:
        ResourceExists: The id is in use.
        ResourceMissing: The region does not exist.
    """
    try:
        row = await connection.fetchrow(INSERT, *to_row(provider))
    except asyncpg.UniqueViolationError as error:
        raise ResourceExists(provider.name) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise ResourceMissing(region_name(region_of(provider.name))) from error
    return from_row(present(row))


UPDATE = f"""
UPDATE providers
   SET display_name = $3, legal_name = $4, support_desk = $5,
       version = version + 1, update_time = now()
 WHERE region_code = $1 AND provider_id = $2
RETURNING {COLUMNS}
"""


async def update(connection: Connection, provider: Provider) -> Provider:
    """Store a changed provider and return it as stored."""
    return from_row(present(await connection.fetchrow(UPDATE, *to_row(provider))))


DELETE = """
DELETE FROM providers
 WHERE region_code = $1 AND provider_id = $2
"""


async def delete(connection: Connection, name: str) -> None:
    """Remove a provider.

    Raises:
        ProviderInUse: A circuit names it.
    """
    try:
        await connection.execute(DELETE, *ids(name))
    except asyncpg.ForeignKeyViolationError as error:
        raise ProviderInUse(f"circuits name {name}; change them first", resource=name) from error


LOCK_SOME = f"""
SELECT {COLUMNS}
  FROM providers
 WHERE region_code = $1 AND provider_id > $2
 ORDER BY provider_id
 LIMIT $3
   FOR SHARE
"""


async def lock_some(
    connection: Connection, region: str, after: str, at_most: int
) -> list[Provider]:
    """Return providers after the one of that name, "" for the first, in the order of their ids.

    Nobody can change them until the transaction's end.
    """
    rows = await connection.fetch(LOCK_SOME, region, last_id(after), at_most)
    return [from_row(row) for row in rows]


FILTERS = """
 WHERE region_code = $1
   AND ($2::text IS NULL OR strpos(lower(provider_id || ' ' || display_name), $2) > 0)"""

LIST = f"""
SELECT {COLUMNS}
  FROM providers{FILTERS}
   AND ($3::text IS NULL OR provider_id > $3)
 ORDER BY provider_id
 LIMIT $4
"""

COUNT = f"""
SELECT count(*)
  FROM providers{FILTERS}
"""


async def list_page(
    connection: Connection, request: provider_pb2.ListProvidersRequest, page: Page
) -> Listed[Provider]:
    """Return the providers of the page."""
    filters = (last_id(request.parent), request.query.lower() or None)
    return await read_page(connection, (LIST, COUNT), filters, page, from_row)
