"""The methods for agents."""

from common.errors import ResourceMissing
from common.names import last_id
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from google.protobuf.empty_pb2 import Empty
from smartcity.monitoring.v1 import agent_pb2

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.enrol_agent import enrol_agent
from monitoring.operations.submit_batch import submit_batch
from monitoring.operations.write_agent import (
    create_agent,
    delete_agent,
    reset_enrolment,
    revoke_agent,
    update_agent,
)
from monitoring.storage import agents


class AgentMethods:
    """Answers about agents, and answers agents."""

    needs: Dependencies

    async def GetAgent(self, request: agent_pb2.GetAgentRequest, _: Context) -> agent_pb2.Agent:
        """Return an agent."""
        async with self.needs.database.read() as connection:
            agent = await agents.read(connection, request.name)
        if agent is None:
            raise ResourceMissing(request.name)
        return agent

    async def ListAgents(
        self, request: agent_pb2.ListAgentsRequest, _: Context
    ) -> agent_pb2.ListAgentsResponse:
        """List agents."""
        page = Page(request)
        async with self.needs.database.read() as connection:
            listed = await agents.list_page(connection, request, page)
        return agent_pb2.ListAgentsResponse(
            agents=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].name)) if listed.more else "",
            total_size=listed.total,
        )

    async def CreateAgent(
        self, request: agent_pb2.CreateAgentRequest, _: Context
    ) -> agent_pb2.Agent:
        """Create an agent."""
        return await create_agent(self.needs, request)

    async def UpdateAgent(
        self, request: agent_pb2.UpdateAgentRequest, _: Context
    ) -> agent_pb2.Agent:
        """Change fields of an agent."""
        return await update_agent(self.needs, request)

    async def DeleteAgent(self, request: agent_pb2.DeleteAgentRequest, _: Context) -> Empty:
        """Delete an agent."""
        return await delete_agent(self.needs, request)

    async def ResetAgentEnrolment(
        self, request: agent_pb2.ResetAgentEnrolmentRequest, _: Context
    ) -> agent_pb2.Agent:
        """Let an agent be enrolled anew."""
        return await reset_enrolment(self.needs, request)

    async def RevokeAgent(
        self, request: agent_pb2.RevokeAgentRequest, _: Context
    ) -> agent_pb2.Agent:
        """Take nothing of an agent any more."""
        return await revoke_agent(self.needs, request)

    async def EnrolAgent(self, request: agent_pb2.EnrolAgentRequest, _: Context) -> agent_pb2.Agent:
        """Give an agent its key."""
        return await enrol_agent(self.needs, request)

    async def SubmitBatch(
        self, request: agent_pb2.SubmitBatchRequest, _: Context
    ) -> agent_pb2.SubmitBatchResponse:
        """Take a batch of measurements from an agent."""
        return await submit_batch(self.needs, request)
