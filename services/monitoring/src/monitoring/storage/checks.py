"""Checks: rows as messages and messages as rows."""

from datetime import date

import asyncpg
import orjson
from common.errors import ResourceExists
from common.names import ANY, ids
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import Enumeration, etag, present, timestamp
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from smartcity.monitoring.v1 import check_pb2
from smartcity.monitoring.v1.check_pb2 import Check, DnsParameters, HttpParameters

from monitoring.domain.partitions import partition_of

KINDS = Enumeration(Check.Kind)
NAMED = check_pb2.GetCheckRequest

KEY = "region_code, point_id, check_id"
PARAMETERS = "kind, address, port, packets, spacing_ms, timeout_ms, interval_s, http, dns, paused"
COLUMNS = f"{KEY}, {PARAMETERS}, circuit_id, version, create_time, update_time"


def from_row(row: Row) -> Check:
    """Return the check that a row with COLUMNS holds."""
    point = f"regions/{row['region_code']}/points/{row['point_id']}"
    check = Check(
        name=f"{point}/checks/{row['check_id']}",
        kind=KINDS.number(row["kind"]),
        address=row["address"],
        port=row["port"],
        packets=row["packets"],
        spacing_ms=row["spacing_ms"],
        timeout_ms=row["timeout_ms"],
        interval_s=row["interval_s"],
        paused=row["paused"],
        circuit=f"{point}/circuits/{row['circuit_id']}" if row["circuit_id"] else "",
        etag=etag(row["version"], row["update_time"]),
        create_time=timestamp(row["create_time"]),
        update_time=timestamp(row["update_time"]),
    )
    if row["http"]:
        check.http.CopyFrom(ParseDict(orjson.loads(row["http"]), HttpParameters()))
    if row["dns"]:
        check.dns.CopyFrom(ParseDict(orjson.loads(row["dns"]), DnsParameters()))
    return check


def _parameters(check: Check) -> tuple[object, ...]:
    """Return the values of PARAMETERS."""
    return (
        KINDS.text(check.kind),
        check.address,
        check.port,
        check.packets,
        check.spacing_ms,
        check.timeout_ms,
        check.interval_s,
        _json(check.http) if check.HasField("http") else None,
        _json(check.dns) if check.HasField("dns") else None,
        check.paused,
    )


def _json(message: Message) -> str:
    return orjson.dumps(MessageToDict(message)).decode()


GET = f"""
SELECT {COLUMNS}
  FROM checks
 WHERE region_code = $1 AND point_id = $2 AND check_id = $3
"""


async def read(connection: Connection, name: str, *, lock: bool = False) -> Check | None:
    """Return the check of this name, locked until the transaction's end when asked."""
    row = await connection.fetchrow(GET + ("FOR UPDATE" if lock else ""), *ids(name))
    return from_row(row) if row else None


OF_POINT = f"""
SELECT {COLUMNS}
  FROM checks
 WHERE region_code = $1 AND point_id = $2
   FOR UPDATE
"""


async def of_point(connection: Connection, point: str) -> list[Check]:
    """Return all checks of a point, locked until the transaction's end."""
    return [from_row(row) for row in await connection.fetch(OF_POINT, *ids(point))]


INSERT = f"""
INSERT INTO checks ({KEY}, {PARAMETERS}, circuit_id, partition_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
RETURNING {COLUMNS}
"""


async def insert(connection: Connection, check: Check) -> Check:
    """Store a new check and return it as stored.

    Raises:
        ResourceExists: The point has a check of this id.
    """
    key = ids(check.name)
    circuit_id = ids(check.circuit)[2] if check.circuit else None
    partition = partition_of(check.name.rpartition("/checks/")[0])
    try:
        row = await connection.fetchrow(INSERT, *key, *_parameters(check), circuit_id, partition)
    except asyncpg.UniqueViolationError as error:
        raise ResourceExists(check.name) from error
    return from_row(present(row))


UPDATE = f"""
UPDATE checks
   SET kind = $4, address = $5, port = $6, packets = $7, spacing_ms = $8, timeout_ms = $9,
       interval_s = $10, http = $11, dns = $12, paused = $13,
       version = version + 1, update_time = now()
 WHERE region_code = $1 AND point_id = $2 AND check_id = $3
RETURNING {COLUMNS}
"""


async def update(connection: Connection, check: Check) -> Check:
    """Store a changed check and return it as stored."""
    row = await connection.fetchrow(UPDATE, *ids(check.name), *_parameters(check))
    return from_row(present(row))


SET_SERVICE = """
UPDATE checks
   SET start_date = $4, end_date = $5
 WHERE region_code = $1 AND point_id = $2 AND check_id = $3
   AND (start_date, end_date) IS DISTINCT FROM ($4, $5)
"""


async def set_service(
    connection: Connection, name: str, start: date | None, end: date | None
) -> None:
    """Set the days from which and until which the circuit of a derived check is in service."""
    await connection.execute(SET_SERVICE, *ids(name), start, end)


DELETE = """
DELETE FROM checks
 WHERE region_code = $1 AND point_id = $2 AND check_id = $3
"""


async def delete(connection: Connection, name: str) -> None:
    """Remove a check."""
    await connection.execute(DELETE, *ids(name))


FILTERS = """
 WHERE region_code = $1
   AND ($2::text IS NULL OR point_id = $2)
   AND ($3::text[] IS NULL OR kind = ANY ($3))"""

LIST = f"""
SELECT {COLUMNS}
  FROM checks{FILTERS}
   AND ($4::text IS NULL OR (point_id, check_id) > ($4, $5))
 ORDER BY point_id, check_id
 LIMIT $6
"""

COUNT = f"""
SELECT count(*)
  FROM checks{FILTERS}
"""


async def list_page(
    connection: Connection, request: check_pb2.ListChecksRequest, page: Page
) -> Listed[Check]:
    """Return the checks of the page; their keys are point and check id."""
    region, point = ids(request.parent)
    filters = (region, None if point == ANY else point, KINDS.filter(request.kind))
    return await read_page(connection, (LIST, COUNT), filters, page, from_row)
