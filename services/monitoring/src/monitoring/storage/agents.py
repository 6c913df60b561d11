"""Agents, what they are known by and what their batches told: rows as messages and back."""

from datetime import datetime
from hashlib import sha256

import asyncpg
from common.errors import ResourceExists
from common.names import ids, last_id
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import timestamp
from smartcity.monitoring.v1 import agent_pb2
from smartcity.monitoring.v1.agent_pb2 import Agent, AgentBatch

from monitoring.domain.enrolment import NOBODY, Credentials

NAMED = agent_pb2.GetAgentRequest

COLUMNS = """
       region_code, agent_id, display_name, point_ids, state, public_key, code_expire_time,
       version, create_time, update_time"""
CONTACT = """
       last_batch_time, last_sequence, clock_skew_ms, software_version, batch_count,
       accepted_count, rejected_count"""


def from_row(row: Row) -> Agent:
    """Return the agent that a row with COLUMNS holds."""
    region = f"regions/{row['region_code']}"
    key, version, changed = row["public_key"], row["version"], row["update_time"]
    return Agent(
        name=f"{region}/agents/{row['agent_id']}",
        display_name=row["display_name"],
        points=[f"{region}/points/{point}" for point in row["point_ids"]],
        state=Agent.State.Value(row["state"]),
        key_fingerprint=sha256(key).hexdigest() if key else "",
        enrolment_expire_time=timestamp(row["code_expire_time"]),
        etag=f'"{version}-{changed.timestamp():.6f}"',
        create_time=timestamp(row["create_time"]),
        update_time=timestamp(changed),
    )


def shown(row: Row) -> Agent:
    """Return the agent that a row with COLUMNS and CONTACT holds."""
    agent = from_row(row)
    if row["last_batch_time"]:
        agent.contact.CopyFrom(
            Agent.Contact(
                last_batch_time=timestamp(row["last_batch_time"]),
                last_sequence=row["last_sequence"],
                clock_skew_ms=row["clock_skew_ms"],
                software_version=row["software_version"],
                batch_count=row["batch_count"],
                accepted_count=row["accepted_count"],
                rejected_count=row["rejected_count"],
            )
        )
    return agent


GET = f"""
SELECT {COLUMNS}
  FROM agents
 WHERE region_code = $1 AND agent_id = $2
   FOR UPDATE
"""

SHOW = f"""
SELECT {COLUMNS}, {CONTACT}
  FROM agents
  LEFT JOIN agent_contacts USING (region_code, agent_id)
 WHERE region_code = $1 AND agent_id = $2
"""


async def read(connection: Connection, name: str, *, lock: bool = False) -> Agent | None:
    """Return the agent of this name; when asked, locked until the end and without its contact."""
    if lock:
        row = await connection.fetchrow(GET, *ids(name))
        return from_row(row) if row else None
    row = await connection.fetchrow(SHOW, *ids(name))
    return shown(row) if row else None


INSERT = f"""
INSERT INTO agents (region_code, agent_id, display_name, point_ids, state)
VALUES ($1, $2, $3, $4, 'PENDING')
RETURNING {COLUMNS}
"""


async def insert(connection: Connection, agent: Agent) -> Agent:
    """Store a new agent, which nobody can enrol yet, and return it as stored.

    Raises:
        ResourceExists: Its id is in use.
    """
    try:
        row = await connection.fetchrow(INSERT, *_row(agent))
    except asyncpg.UniqueViolationError as error:
        raise ResourceExists(agent.name) from error
    return _present(row)


UPDATE = f"""
UPDATE agents
   SET display_name = $3, point_ids = $4, version = version + 1, update_time = now()
 WHERE region_code = $1 AND agent_id = $2
RETURNING {COLUMNS}
"""


async def update(connection: Connection, agent: Agent) -> Agent:
    """Store a changed agent and return it as stored."""
    return _present(await connection.fetchrow(UPDATE, *_row(agent)))


DELETE = """
DELETE FROM agents
 WHERE region_code = $1 AND agent_id = $2
"""


async def delete(connection: Connection, name: str) -> None:
    """Remove an agent and what its batches told of it."""
    await connection.execute(DELETE, *ids(name))


KNOW_BY = f"""
UPDATE agents
   SET state = $3, public_key = $4, code_hash = $5, code_expire_time = $6,
       version = version + 1, update_time = now()
 WHERE region_code = $1 AND agent_id = $2
RETURNING {COLUMNS}
"""


async def know_by(connection: Connection, name: str, credentials: Credentials) -> Agent:
    """Store what an agent is known by from now on, alone, and return the agent."""
    row = await connection.fetchrow(
        KNOW_BY,
        *ids(name),
        credentials.state,
        credentials.public_key,
        credentials.code_hash,
        credentials.code_expires,
    )
    return _present(row)


CREDENTIALS = """
SELECT state, public_key, code_hash, code_expire_time, point_ids
  FROM agents
 WHERE region_code = $1 AND agent_id = $2
"""


async def credentials(connection: Connection, name: str) -> tuple[Credentials, frozenset[str]]:
    """Return what an agent is known by and for which points it may report."""
    row = await connection.fetchrow(CREDENTIALS, *ids(name))
    if row is None:
        return NOBODY, frozenset()
    known = Credentials(row["state"], row["public_key"], row["code_hash"], row["code_expire_time"])
    region = name.partition("/agents/")[0]
    return known, frozenset(f"{region}/points/{point}" for point in row["point_ids"])


FILTERS = """
 WHERE region_code = $1
   AND ($2::text[] IS NULL OR state = ANY ($2))
   AND ($3::text IS NULL OR $3 = ANY (point_ids))"""

LIST = f"""
SELECT {COLUMNS}, {CONTACT}
  FROM agents
  LEFT JOIN agent_contacts USING (region_code, agent_id){FILTERS}
   AND ($4::text IS NULL OR agent_id > $4)
 ORDER BY agent_id
 LIMIT $5
"""

COUNT = f"""
SELECT count(*)
  FROM agents{FILTERS}
"""


async def list_page(
    connection: Connection, request: agent_pb2.ListAgentsRequest, page: Page
) -> Listed[Agent]:
    """Return the agents of the page."""
    states = [Agent.State.Name(state) for state in request.state] or None
    filters = (last_id(request.parent), states, last_id(request.point) or None)
    return await read_page(connection, (LIST, COUNT), filters, page, shown)


MEET = """
INSERT INTO agent_contacts AS known (
       region_code, agent_id, last_batch_time, last_sequence, clock_skew_ms, software_version,
       batch_count, accepted_count, rejected_count)
VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8)
    ON CONFLICT (region_code, agent_id) DO UPDATE
   SET last_batch_time = greatest(known.last_batch_time, $3),
       last_sequence = greatest(known.last_sequence, $4),
       clock_skew_ms = $5, software_version = $6,
       batch_count = known.batch_count + 1,
       accepted_count = known.accepted_count + $7,
       rejected_count = known.rejected_count + $8
"""


async def meet(
    connection: Connection, batch: AgentBatch, now: datetime, counts: tuple[int, int]
) -> None:
    """Note that a batch was taken, and how many of it were accepted and rejected."""
    await connection.execute(
        MEET,
        *ids(batch.agent),
        now,
        batch.sequence,
        batch.clock_skew_ms,
        batch.software_version,
        *counts,
    )


def _row(agent: Agent) -> tuple[object, ...]:
    return (*ids(agent.name), agent.display_name, [last_id(point) for point in agent.points])


def _present(row: Row | None) -> Agent:
    """Return the agent of a statement on a locked row, which must have returned it."""
    if row is None:
        raise LookupError("the row was locked and is gone")
    return from_row(row)
