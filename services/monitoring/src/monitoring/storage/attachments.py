"""Files of incidents: what is known of them, and their content."""

from datetime import UTC
from typing import NamedTuple

from common.names import ids
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import region_name, timestamp
from smartcity.monitoring.v1.attachment_pb2 import Attachment, ListAttachmentsRequest

COLUMNS = """region_code, incident_id, attachment_id, file_name, media_type, size_bytes, sha256,
       caption, creator, create_time"""

LOCK_INCIDENT = """
SELECT incident_id
  FROM incidents
 WHERE region_code = $1 AND incident_id = $2
   FOR NO KEY UPDATE
"""

SUM = """
SELECT count(*) AS files, coalesce(sum(size_bytes), 0) AS bytes
  FROM incident_attachments
 WHERE region_code = $1 AND incident_id = $2
"""

INSERT = f"""
INSERT INTO incident_attachments ({COLUMNS}, content)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

READ = f"""
SELECT {COLUMNS}
  FROM incident_attachments
 WHERE region_code = $1 AND incident_id = $2 AND attachment_id::text = $3
"""

READ_CONTENT = """
SELECT file_name, media_type, content
  FROM incident_attachments
 WHERE region_code = $1 AND incident_id = $2 AND attachment_id::text = $3
"""

LIST = f"""
SELECT {COLUMNS}
  FROM incident_attachments
 WHERE region_code = $1 AND incident_id = $2
   AND ($3::uuid IS NULL OR attachment_id > $3)
 ORDER BY attachment_id
 LIMIT $4
"""

COUNT = """
SELECT count(*)
  FROM incident_attachments
 WHERE region_code = $1 AND incident_id = $2
"""

DELETE = """
DELETE FROM incident_attachments
 WHERE region_code = $1 AND incident_id = $2 AND attachment_id::text = $3
"""


class Held(NamedTuple):
    """What an incident holds already."""

    files: int
    total_bytes: int


async def lock_incident(connection: Connection, incident: str) -> bool:
    """Make others who attach to the incident (or that of a file) wait; tell whether it is there."""
    return await connection.fetchval(LOCK_INCIDENT, *ids(incident)[:2]) is not None


async def held(connection: Connection, incident: str) -> Held:
    """Return how many files an incident has, and how many bytes they are."""
    row = await connection.fetchrow(SUM, *ids(incident))
    return Held(row["files"], row["bytes"]) if row else Held(0, 0)


async def insert(connection: Connection, attachment: Attachment, content: bytes) -> None:
    """Store a file."""
    await connection.execute(
        INSERT,
        *ids(attachment.name),
        attachment.file_name,
        attachment.media_type,
        attachment.size_bytes,
        bytes.fromhex(attachment.sha256),
        attachment.text,
        attachment.creator,
        attachment.create_time.ToDatetime(UTC),
        content,
    )


async def read(connection: Connection, name: str) -> Attachment | None:
    """Return what is known of a file."""
    row = await connection.fetchrow(READ, *ids(name))
    return _attachment(row) if row else None


async def read_content(connection: Connection, name: str) -> Row | None:
    """Return READ_CONTENT's columns."""
    return await connection.fetchrow(READ_CONTENT, *ids(name))


async def list_page(
    connection: Connection, request: ListAttachmentsRequest, page: Page
) -> Listed[Attachment]:
    """Return a page of an incident's files, the oldest first."""
    return await read_page(connection, (LIST, COUNT), ids(request.parent), page, _attachment)


async def delete(connection: Connection, name: str) -> None:
    """Remove a file."""
    await connection.execute(DELETE, *ids(name))


def _attachment(row: Row) -> Attachment:
    incident = f"{region_name(row['region_code'])}/incidents/{row['incident_id']}"
    return Attachment(
        name=f"{incident}/attachments/{row['attachment_id']}",
        file_name=row["file_name"],
        media_type=row["media_type"],
        size_bytes=row["size_bytes"],
        sha256=row["sha256"].hex(),
        text=row["caption"],
        creator=row["creator"],
        create_time=timestamp(row["create_time"]),
    )
