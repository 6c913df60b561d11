"""An agent as the server meets it, for tests."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from common.rpc.refusals import Refusal, refusal_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from smartcity.monitoring.v1 import agent_pb2
from smartcity.monitoring.v1.agent_pb2 import Agent, AgentBatch
from smartcity.monitoring.v1.measurement_pb2 import Measurement

from monitoring.testing import REGION, Monitoring, measured

POINTS = [f"{REGION}/points/P-0", f"{REGION}/points/P-1"]
NAME = f"{REGION}/agents/A-1"
SIGNED_FIRST = b"smartcity agent batch v1\n"


async def refused(call: Awaitable[object]) -> Refusal:
    """Return what a call that must fail told its caller."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return refusal_of(failed.value)


@dataclass
class Probe:
    """An agent as the server meets it."""

    monitoring: Monitoring
    name: str = NAME
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    sequence: int = 0

    def enrolment(self, code: str, **changes: Any) -> agent_pb2.EnrolAgentRequest:
        """Return a request to enrol with the code."""
        proof = self.key.sign(f"smartcity agent enrolment v1\n{self.name}\n{code}".encode())
        public = self.key.public_key().public_bytes_raw()
        given = {"name": self.name, "code": code, "public_key": public, "proof": proof}
        return agent_pb2.EnrolAgentRequest(**(given | changes))

    async def enrol(self, code: str, **changes: Any) -> Agent:
        """Enrol with the code."""
        return await self.monitoring.stub.EnrolAgent(self.enrolment(code, **changes))

    def batch(
        self, measurements: list[Measurement], **changes: Any
    ) -> agent_pb2.SubmitBatchRequest:
        """Return a signed batch; fields of it may differ."""
        self.sequence += 1
        batch = AgentBatch(
            agent=self.name,
            sequence=self.sequence,
            clock_skew_ms=-250,
            software_version="test 1",
            measurements=measurements,
        )
        batch.send_time.FromDatetime(self.monitoring.clock())
        for name, value in changes.items():
            target = getattr(batch, name)
            if hasattr(target, "CopyFrom"):
                target.FromDatetime(value)
            else:
                setattr(batch, name, value)
        packed = batch.SerializeToString()
        signature = self.key.sign(SIGNED_FIRST + packed)
        return agent_pb2.SubmitBatchRequest(name=self.name, batch=packed, signature=signature)

    async def submit(
        self, measurements: list[Measurement], **changes: Any
    ) -> agent_pb2.SubmitBatchResponse:
        """Send a signed batch."""
        return await self.monitoring.stub.SubmitBatch(self.batch(measurements, **changes))


async def create(monitoring: Monitoring, agent_id: str = "A-1", **changes: Any) -> Agent:
    """Create an agent of points P-0 and P-1; fields of the request may differ."""
    agent = Agent(display_name="Puskesmas", points=POINTS)
    request = agent_pb2.CreateAgentRequest(parent=REGION, agent_id=agent_id, agent=agent)
    request.MergeFrom(agent_pb2.CreateAgentRequest(**changes))
    return await monitoring.stub.CreateAgent(request)


async def get(monitoring: Monitoring, name: str = NAME) -> Agent:
    """Return an agent."""
    return await monitoring.stub.GetAgent(agent_pb2.GetAgentRequest(name=name))


def seen(number: int, after_s: float, letter: str = "g") -> Measurement:
    """Return a measurement of the agent's."""
    return measured(number, after_s, letter, source="A-1")
