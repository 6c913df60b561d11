"""Circuits: rows as messages and messages as rows."""

import asyncpg
from common.errors import FieldsInvalid, ResourceExists, ResourceMissing, Violation
from common.names import ANY, ids, last_id
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import (
    Enumeration,
    broken_constraint,
    etag,
    from_date,
    present,
    region_name,
    timestamp,
    to_date,
)
from smartcity.inventory.v1 import circuit_pb2
from smartcity.inventory.v1.circuit_pb2 import Circuit

from inventory.storage.points import TECHNOLOGIES

COMMITMENTS = Enumeration(Circuit.Commitment)

NAMED = circuit_pb2.GetCircuitRequest

WRITTEN = """
       region_code, point_id, circuit_id, provider_id, technology, service_id, download_mbps,
       upload_mbps, commitment, monitored_address, start_date, end_date,
       upstream_point_id"""
COLUMNS = WRITTEN + ", version, create_time, update_time"


def from_row(row: Row) -> Circuit:
    """Return the circuit that a row with COLUMNS holds."""
    region = region_name(row["region_code"])
    return Circuit(
        name=f"{region}/points/{row['point_id']}/circuits/{row['circuit_id']}",
        provider=f"{region}/providers/{row['provider_id']}",
        technology=TECHNOLOGIES.number(row["technology"]),
        service_id=row["service_id"],
        download_mbps=row["download_mbps"],
        upload_mbps=row["upload_mbps"],
        commitment=COMMITMENTS.number(row["commitment"]),
        monitored_address=row["monitored_address"],
        start_date=to_date(row["start_date"]),
        end_date=to_date(row["end_date"]),
        upstream_point=_upstream(region, row["upstream_point_id"]),
        etag=etag(row["version"], row["update_time"]),
        create_time=timestamp(row["create_time"]),
        update_time=timestamp(row["update_time"]),
    )


def to_row(circuit: Circuit) -> tuple[object, ...]:
    """Return the values of WRITTEN."""
    return (
        *ids(circuit.name),
        last_id(circuit.provider),
        TECHNOLOGIES.text(circuit.technology),
        circuit.service_id,
        circuit.download_mbps,
        circuit.upload_mbps,
        COMMITMENTS.text(circuit.commitment),
        circuit.monitored_address,
        from_date(circuit.start_date) if circuit.HasField("start_date") else None,
        from_date(circuit.end_date) if circuit.HasField("end_date") else None,
        last_id(circuit.upstream_point) or None,
    )


GET = f"""
SELECT {COLUMNS}
  FROM circuits
 WHERE region_code = $1 AND point_id = $2 AND circuit_id = $3
"""


async def read(connection: Connection, name: str, *, lock: bool = False) -> Circuit | None:
    """Return the circuit of this name, locked until the transaction's end when asked."""
    row = await connection.fetchrow(GET + ("FOR UPDATE" if lock else ""), *ids(name))
    return from_row(row) if row else None


INSERT = f"""
INSERT INTO circuits ({WRITTEN})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
RETURNING {COLUMNS}
"""


async def insert(connection: Connection, circuit: Circuit) -> Circuit:
    """Store a new circuit and return it as stored.

    Raises:
        ResourceExists: The point has a circuit of this id.
        ResourceMissing: The point does not exist.
        FieldsInvalid: The provider does not exist.
    """
    try:
        row = await connection.fetchrow(INSERT, *to_row(circuit))
    except asyncpg.UniqueViolationError as error:
        raise ResourceExists(circuit.name) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise _missing(circuit, error) from error
    return from_row(present(row))


UPDATE = f"""
UPDATE circuits
   SET provider_id = $4, technology = $5, service_id = $6, download_mbps = $7, upload_mbps = $8,
       commitment = $9, monitored_address = $10, start_date = $11, end_date = $12,
       upstream_point_id = $13, version = version + 1, update_time = now()
 WHERE region_code = $1 AND point_id = $2 AND circuit_id = $3
RETURNING {COLUMNS}
"""


async def update(connection: Connection, circuit: Circuit) -> Circuit:
    """Store a changed circuit and return it as stored.

    Raises:
        FieldsInvalid: The provider does not exist.
    """
    try:
        row = await connection.fetchrow(UPDATE, *to_row(circuit))
    except asyncpg.ForeignKeyViolationError as error:
        raise _missing(circuit, error) from error
    return from_row(present(row))


DELETE = """
DELETE FROM circuits
 WHERE region_code = $1 AND point_id = $2 AND circuit_id = $3
"""


async def delete(connection: Connection, name: str) -> None:
    """Remove a circuit."""
    await connection.execute(DELETE, *ids(name))


FILTERS = """
 WHERE region_code = $1
   AND ($2::text IS NULL OR point_id = $2)
   AND ($3::text IS NULL OR provider_id = $3)
   AND ($4::text[] IS NULL OR technology = ANY ($4))"""

LIST = f"""
SELECT {COLUMNS}
  FROM circuits{FILTERS}
   AND ($5::text IS NULL OR (point_id, circuit_id) > ($5, $6))
 ORDER BY point_id, circuit_id
 LIMIT $7
"""

COUNT = f"""
SELECT count(*)
  FROM circuits{FILTERS}
"""


async def list_page(
    connection: Connection, request: circuit_pb2.ListCircuitsRequest, page: Page
) -> Listed[Circuit]:
    """Return the circuits of the page; their keys are point and circuit id."""
    region, point = ids(request.parent)
    filters = (
        region,
        None if point == ANY else point,
        last_id(request.provider) or None,
        TECHNOLOGIES.filter(request.technology),
    )
    return await read_page(connection, (LIST, COUNT), filters, page, from_row)


LOCK_SOME = f"""
SELECT {COLUMNS}
  FROM circuits
 WHERE region_code = $1 AND (point_id, circuit_id) > ($2, $3)
 ORDER BY point_id, circuit_id
 LIMIT $4
   FOR SHARE
"""


async def lock_some(connection: Connection, region: str, after: str, at_most: int) -> list[Circuit]:
    """Return circuits after the one of that name, "" for the first, in the order of their names.

    Nobody can change them until the transaction's end.
    """
    _, point_id, circuit_id = ids(after) if after else ("", "", "")
    rows = await connection.fetch(LOCK_SOME, region, point_id, circuit_id, at_most)
    return [from_row(row) for row in rows]


LEADS_TO = """
WITH RECURSIVE above AS (
SELECT $2::text AS point_id
 UNION
SELECT circuits.upstream_point_id
  FROM above JOIN circuits USING (point_id)
 WHERE region_code = $1 AND upstream_point_id IS NOT NULL
)
SELECT EXISTS (
       SELECT
         FROM above
        WHERE point_id = $3)
"""


async def leads_to(connection: Connection, point: str, other: str) -> bool:
    """Tell whether the way up from a point leads to the other one, or begins there."""
    region, point_id = ids(point)
    return bool(await connection.fetchval(LEADS_TO, region, point_id, last_id(other)))


def _upstream(region: str, point_id: str | None) -> str:
    return f"{region}/points/{point_id}" if point_id else ""


def _missing(
    circuit: Circuit, error: asyncpg.ForeignKeyViolationError
) -> ResourceMissing | FieldsInvalid:
    if broken_constraint(error) == "circuits_point":
        return ResourceMissing(circuit.name.rpartition("/circuits/")[0])
    if broken_constraint(error) == "circuits_upstream":
        return FieldsInvalid([unknown_upstream(circuit)])
    sentence = f"{circuit.provider} does not exist"
    return FieldsInvalid([Violation("circuit.provider", sentence, "PROVIDER_UNKNOWN")])


def unknown_upstream(circuit: Circuit) -> Violation:
    """Return what is wrong with an upstream point that does not exist."""
    sentence = f"there is no {circuit.upstream_point}"
    return Violation("circuit.upstreamPoint", sentence, "UPSTREAM_UNKNOWN")
