"""Creating, changing and deleting agents, making their one-time codes, revoking them."""

import secrets
from collections.abc import Sequence
from functools import partial

from common.errors import Kind, ServiceError, Violation
from common.names import last_id, region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate, read_for_change
from google.protobuf.empty_pb2 import Empty
from smartcity.monitoring.v1 import agent_pb2
from smartcity.monitoring.v1.agent_pb2 import Agent

from monitoring.domain.enrolment import CODE_BYTES, CODE_LIVES, Credentials, code_hash, new_code
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.publish import MUTATIONS
from monitoring.storage import agents, points

MADE_BY_US = ("state", "key_fingerprint", "enrolment_code", "enrolment_expire_time", "contact")


class AgentStateWrong(ServiceError):
    """The verb does not fit the state that the agent is in."""

    kind = Kind.WRONG_STATE
    reason = "AGENT_STATE_WRONG"


async def create_agent(needs: Dependencies, request: agent_pb2.CreateAgentRequest) -> Agent:
    """Create an agent and tell its one-time code, unless the request was answered before."""
    made: list[str] = []

    async def act(connection: Connection) -> Agent:
        draft = request.agent
        draft.name = f"{request.parent}/agents/{request.agent_id or needs.new_id()}"
        for field in MADE_BY_US:
            draft.ClearField(field)  # type: ignore[arg-type]
        created = await MUTATIONS.create(connection, agents, request, draft, check_agent)
        return await _with_new_code(needs, connection, created.name, made)

    agent = await mutate(needs.database, request, region_of(request.parent), Agent, act)
    return _telling(agent, [] if request.validate_only else made)


async def update_agent(needs: Dependencies, request: agent_pb2.UpdateAgentRequest) -> Agent:
    """Change the masked fields of an agent."""

    async def act(connection: Connection) -> Agent:
        return await MUTATIONS.update(connection, agents, request, "agent", check_agent)

    region = region_of(request.agent.name)
    return await mutate(needs.database, request, region, Agent, act)


async def delete_agent(needs: Dependencies, request: agent_pb2.DeleteAgentRequest) -> Empty:
    """Delete an agent; what it measured and its history stay."""
    return await MUTATIONS.delete_resource(needs.database, agents, request)


async def reset_enrolment(
    needs: Dependencies, request: agent_pb2.ResetAgentEnrolmentRequest
) -> Agent:
    """Make and tell a new one-time code; a key or a code that the agent had counts no more."""
    made: list[str] = []

    async def act(connection: Connection) -> Agent:
        before = await read_for_change(connection, agents, request.name, request.etag)
        after = await _with_new_code(needs, connection, request.name, made)
        await MUTATIONS.publish(connection, request, "resetEnrolment", before=before, after=after)
        return after

    agent = await mutate(needs.database, request, region_of(request.name), Agent, act)
    return _telling(agent, made)


async def revoke_agent(needs: Dependencies, request: agent_pb2.RevokeAgentRequest) -> Agent:
    """Take nothing of the agent any more: its key and its code are forgotten.

    Raises:
        AgentStateWrong: It is revoked already.
    """
    act = partial(_revoke, request)
    return await mutate(needs.database, request, region_of(request.name), Agent, act)


async def _revoke(request: agent_pb2.RevokeAgentRequest, connection: Connection) -> Agent:
    before = await read_for_change(connection, agents, request.name, request.etag)
    if before.state == Agent.REVOKED:
        raise AgentStateWrong(f"{request.name} is REVOKED already", state="REVOKED")
    after = await agents.know_by(connection, request.name, Credentials("REVOKED"))
    await MUTATIONS.publish(connection, request, "revoke", before=before, after=after)
    return after


async def check_agent(connection: Connection, agent: Agent) -> list[Violation]:
    """Return what the proto's rules cannot see: that each point is one of the agent's region."""
    region = region_of(agent.name)
    parent = f"regions/{region}"
    here = {last_id(point) for point in agent.points if region_of(point) == region}
    known = await points.known(connection, region, here)
    return [
        Violation(f"agent.points[{place}]", f"{point} is no point of {parent}", "POINT_UNKNOWN")
        for place, point in enumerate(agent.points)
        if region_of(point) != region or last_id(point) not in known
    ]


async def _with_new_code(
    needs: Dependencies, connection: Connection, name: str, made: list[str]
) -> Agent:
    """Let the agent be enrolled with a code that `made` tells: no answer that is kept holds it."""
    made[:] = [new_code(secrets.token_bytes(CODE_BYTES))]
    expires = needs.clock() + CODE_LIVES
    pending = Credentials("PENDING", code_hash=code_hash(made[0]), code_expires=expires)
    return await agents.know_by(connection, name, pending)


def _telling(agent: Agent, made: Sequence[str]) -> Agent:
    agent.enrolment_code = "".join(made)
    return agent
