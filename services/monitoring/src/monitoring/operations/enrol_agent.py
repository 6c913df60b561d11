"""Enrolling an agent: its one-time code is changed into its key."""

from dataclasses import replace

from common.caller import CALLER, current_caller
from common.errors import Kind, ServiceError
from common.names import region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate
from common.telemetry.logs import logger
from smartcity.monitoring.v1.agent_pb2 import Agent, EnrolAgentRequest

from monitoring.domain.enrolment import Credentials, proves_key
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.publish import MUTATIONS
from monitoring.storage import agents


class EnrolmentRefused(ServiceError):
    """Name, code and proof do not fit together; what of them is wrong is not told."""

    kind = Kind.UNAUTHENTICATED
    reason = "ENROLMENT_REFUSED"


async def enrol_agent(needs: Dependencies, request: EnrolAgentRequest) -> Agent:
    """Know the agent by its key from now on. The code works once.

    Raises:
        EnrolmentRefused: There is no such agent, its code is another, was used or has expired, or
            the proof is not the key's.
    """

    async def act(connection: Connection) -> Agent:
        before = await agents.read(connection, request.name, lock=True)
        known, _ = await agents.credentials(connection, request.name)
        fits = known.takes_code(request.code, needs.clock())
        proven = proves_key(request.public_key, request.name, request.code, request.proof)
        if before is None or not fits or not proven:
            _log_refusal(request, known, proven=proven)
            raise EnrolmentRefused("no enrolment with this name, code and proof is open")
        speak_as(request.name)
        enrolled = Credentials("ENROLLED", public_key=request.public_key)
        after = await agents.know_by(connection, request.name, enrolled)
        await MUTATIONS.publish(connection, request, "enrol", before=before, after=after)
        return after

    return await mutate(needs.database, request, region_of(request.name), Agent, act)


def speak_as(agent: str) -> None:
    """Let the history and the log name the agent, who proved to be itself, as the caller."""
    CALLER.set(replace(current_caller(), subject=agent))


def _log_refusal(request: EnrolAgentRequest, known: Credentials, *, proven: bool) -> None:
    """Say what was wrong, for operators alone; never the code."""
    logger().warning(
        "enrolment refused",
        agent=request.name,
        state=known.state or "UNKNOWN",
        code_open=known.code_hash is not None,
        proven=proven,
    )
