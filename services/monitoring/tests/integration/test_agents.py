"""Agents are made, enrolled and believed; whoever only pretends is not."""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

import grpc
import pytest
from common.rpc.refusals import Refusal, refusal_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from devstack.waiting import until
from google.protobuf.field_mask_pb2 import FieldMask
from monitoring.testing import NOON, REGION, Monitoring, measured
from smartcity.monitoring.v1 import agent_pb2
from smartcity.monitoring.v1.agent_pb2 import Agent, AgentBatch
from smartcity.monitoring.v1.measurement_pb2 import Measurement

POINTS = [f"{REGION}/points/P-0", f"{REGION}/points/P-1"]
NAME = f"{REGION}/agents/A-1"
SIGNED_FIRST = b"smartcity agent batch v1\n"


async def refused(call: Awaitable[object]) -> Refusal:
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
        proof = self.key.sign(f"smartcity agent enrolment v1\n{self.name}\n{code}".encode())
        public = self.key.public_key().public_bytes_raw()
        given = {"name": self.name, "code": code, "public_key": public, "proof": proof}
        return agent_pb2.EnrolAgentRequest(**(given | changes))

    async def enrol(self, code: str, **changes: Any) -> Agent:
        return await self.monitoring.stub.EnrolAgent(self.enrolment(code, **changes))

    def batch(
        self, measurements: list[Measurement], **changes: Any
    ) -> agent_pb2.SubmitBatchRequest:
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
        return await self.monitoring.stub.SubmitBatch(self.batch(measurements, **changes))


async def create(monitoring: Monitoring, agent_id: str = "A-1", **changes: Any) -> Agent:
    agent = Agent(display_name="Puskesmas", points=POINTS)
    request = agent_pb2.CreateAgentRequest(parent=REGION, agent_id=agent_id, agent=agent)
    request.MergeFrom(agent_pb2.CreateAgentRequest(**changes))
    return await monitoring.stub.CreateAgent(request)


async def get(monitoring: Monitoring, name: str = NAME) -> Agent:
    return await monitoring.stub.GetAgent(agent_pb2.GetAgentRequest(name=name))


def seen(number: int, after_s: float, letter: str = "g") -> Measurement:
    return measured(number, after_s, letter, source="A-1")


@pytest.fixture
async def probe(monitoring: Monitoring) -> Probe:
    """Give an enrolled agent of points P-0 and P-1."""
    one = Probe(monitoring)
    await one.enrol((await create(monitoring)).enrolment_code)
    return one


async def test_an_agent_is_created_and_its_code_told_once(monitoring: Monitoring) -> None:
    made = await create(monitoring, request_id="r-1")
    assert (made.name, made.state, list(made.points)) == (NAME, Agent.PENDING, POINTS)
    assert made.enrolment_code
    assert made.enrolment_expire_time.ToDatetime(UTC) == NOON + timedelta(hours=24)
    again = await create(monitoring, request_id="r-1")
    assert (again.name, again.enrolment_code) == (NAME, "")
    assert (await get(monitoring)).enrolment_code == ""


async def test_a_dry_run_creates_nothing_and_tells_no_code(monitoring: Monitoring) -> None:
    assert (await create(monitoring, validate_only=True)).enrolment_code == ""
    assert (await refused(get(monitoring))).reason == "RESOURCE_MISSING"


async def test_no_table_holds_a_code_or_a_private_key(monitoring: Monitoring) -> None:
    made = await create(monitoring, request_id="r-2")
    probe = Probe(monitoring)
    await probe.enrol(made.enrolment_code, request_id="e-1")
    reset = await monitoring.stub.ResetAgentEnrolment(
        agent_pb2.ResetAgentEnrolmentRequest(name=NAME, request_id="r-3")
    )
    codes = [made.enrolment_code, reset.enrolment_code]
    async with monitoring.database.read() as connection:
        for table in ("agents", "changes", "answered_requests", "outbox"):
            rows = await connection.fetch(f"SELECT t::text FROM {table} AS t")  # noqa: S608
            text = " ".join(row[0] for row in rows)
            assert rows or table == "outbox"
            for code in codes:
                assert code not in text
                assert code.encode().hex() not in text


async def test_every_wrong_field_of_an_agent_is_named(monitoring: Monitoring) -> None:
    agent = Agent(points=[POINTS[0], f"{REGION}/points/NO", "regions/64.09/points/P-1"])
    request = agent_pb2.CreateAgentRequest(parent=REGION, agent=agent)
    refusal = await refused(monitoring.stub.CreateAgent(request))
    assert set(refusal.fields) == {"agent.displayName", "agent.points[1]", "agent.points[2]"}


async def test_an_agent_without_points_or_with_one_twice_is_refused(
    monitoring: Monitoring,
) -> None:
    for points in ([], [POINTS[0], POINTS[0]]):
        agent = Agent(display_name="x", points=points)
        request = agent_pb2.CreateAgentRequest(parent=REGION, agent=agent)
        assert set((await refused(monitoring.stub.CreateAgent(request))).fields) == {"agent.points"}


@pytest.mark.usefixtures("probe")
async def test_agents_are_listed_by_state_and_point(monitoring: Monitoring) -> None:
    await create(monitoring, "B-1", agent=Agent(points=[f"{REGION}/points/P-2"]))
    stub = monitoring.stub

    async def names(**filters: Any) -> list[str]:
        request = agent_pb2.ListAgentsRequest(parent=REGION, **filters)
        return [agent.name for agent in (await stub.ListAgents(request)).agents]

    assert await names() == [NAME, f"{REGION}/agents/B-1"]
    assert await names(state=[Agent.ENROLLED]) == [NAME]
    assert await names(point=f"{REGION}/points/P-2") == [f"{REGION}/agents/B-1"]
    first = await stub.ListAgents(agent_pb2.ListAgentsRequest(parent=REGION, page_size=1))
    token = first.next_page_token
    assert await names(page_size=1, page_token=token) == [f"{REGION}/agents/B-1"]


async def test_points_are_changed_and_what_we_make_is_not(
    monitoring: Monitoring, probe: Probe
) -> None:
    change = Agent(name=NAME, points=POINTS[:1])
    request = agent_pb2.UpdateAgentRequest(agent=change)
    assert list((await monitoring.stub.UpdateAgent(request)).points) == POINTS[:1]
    answer = await probe.submit([seen(1, 0), seen(0, 0)])
    assert [(r.index, r.reason) for r in answer.report.rejections] == [(0, "NOT_OF_AGENT")]
    request.update_mask.CopyFrom(FieldMask(paths=["state"]))
    assert set((await refused(monitoring.stub.UpdateAgent(request))).fields) == {"updateMask"}
    stale = agent_pb2.UpdateAgentRequest(agent=Agent(name=NAME, display_name="y", etag='"x"'))
    assert (await refused(monitoring.stub.UpdateAgent(stale))).reason == "ETAG_STALE"


async def test_a_code_works_once(monitoring: Monitoring) -> None:
    code = (await create(monitoring)).enrolment_code
    first, second = Probe(monitoring), Probe(monitoring)
    enrolled = await first.enrol(code.lower())
    assert (enrolled.state, len(enrolled.key_fingerprint)) == (Agent.ENROLLED, 64)
    refusal = await refused(second.enrol(code))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "ENROLMENT_REFUSED",
    )
    assert (await first.submit([seen(0, 0)])).report.accepted_count == 1
    assert (await refused(second.submit([seen(0, 0)]))).reason == "BATCH_NOT_BELIEVED"


async def test_an_enrolment_whose_answer_was_lost_is_answered_again(
    monitoring: Monitoring,
) -> None:
    code, probe = (await create(monitoring)).enrolment_code, Probe(monitoring)
    first = await probe.enrol(code, request_id="e-7")
    assert await probe.enrol(code, request_id="e-7") == first


async def test_two_who_enrol_at_once_with_one_code_are_one(monitoring: Monitoring) -> None:
    code = (await create(monitoring)).enrolment_code
    probes = [Probe(monitoring) for _ in range(8)]

    async def outcome(probe: Probe) -> str:
        try:
            return (await probe.enrol(code)).key_fingerprint
        except grpc.aio.AioRpcError as error:
            return refusal_of(error).reason

    found = await asyncio.gather(*map(outcome, probes))
    assert found.count("ENROLMENT_REFUSED") == 7
    assert (await get(monitoring)).key_fingerprint in found


async def test_whatever_is_wrong_an_enrolment_is_refused_alike(monitoring: Monitoring) -> None:
    code = (await create(monitoring)).enrolment_code
    probe, other = Probe(monitoring), Probe(monitoring, name=f"{REGION}/agents/NO-SUCH")
    refusals = [
        await refused(probe.enrol("ABCDEF-ABCDEF-ABCDEF-ABCDEF")),
        await refused(other.enrol(code)),
        await refused(probe.enrol(code, proof=bytes(64))),
        await refused(probe.enrol(code, public_key=bytes(32))),
    ]
    monitoring.clock.time = NOON + timedelta(hours=24)
    refusals.append(await refused(probe.enrol(code)))
    told = {(one.code, one.reason, one.message, str(one.metadata)) for one in refusals}
    assert len(told) == 1
    monitoring.clock.time = NOON
    assert (await probe.enrol(code)).state == Agent.ENROLLED


async def test_a_reset_takes_the_key_and_gives_another_code(
    monitoring: Monitoring, probe: Probe
) -> None:
    reset = await monitoring.stub.ResetAgentEnrolment(
        agent_pb2.ResetAgentEnrolmentRequest(name=NAME)
    )
    assert (reset.state, reset.key_fingerprint) == (Agent.PENDING, "")
    assert (await refused(probe.submit([seen(0, 0)]))).reason == "BATCH_NOT_BELIEVED"
    await probe.enrol(reset.enrolment_code)
    assert (await probe.submit([seen(0, 0)])).report.accepted_count == 1


async def test_a_revoked_agent_is_believed_no_more(monitoring: Monitoring, probe: Probe) -> None:
    revoke = agent_pb2.RevokeAgentRequest(name=NAME)
    assert (await monitoring.stub.RevokeAgent(revoke)).state == Agent.REVOKED
    assert (await refused(probe.submit([seen(0, 0)]))).code == grpc.StatusCode.UNAUTHENTICATED
    refusal = await refused(monitoring.stub.RevokeAgent(revoke))
    assert (refusal.reason, refusal.metadata["state"]) == ("AGENT_STATE_WRONG", "REVOKED")
    stranger = Probe(monitoring, name=f"{REGION}/agents/NO-SUCH")
    forger = Probe(monitoring)
    told = {
        (one.code, one.message, str(one.metadata))
        for one in [
            await refused(probe.submit([seen(0, 0)])),
            await refused(stranger.submit([seen(0, 0)])),
            await refused(forger.submit([seen(0, 0)])),
        ]
    }
    assert len(told) == 1


async def test_a_deleted_agent_is_believed_no_more(monitoring: Monitoring, probe: Probe) -> None:
    await probe.submit([seen(0, 0)])
    await monitoring.stub.DeleteAgent(agent_pb2.DeleteAgentRequest(name=NAME))
    assert (await refused(get(monitoring))).reason == "RESOURCE_MISSING"
    assert (await refused(probe.submit([seen(0, 0)]))).reason == "BATCH_NOT_BELIEVED"
    remade = await create(monitoring)
    assert (remade.state, remade.HasField("contact")) == (Agent.PENDING, False)


async def test_a_signed_batch_becomes_a_status(monitoring: Monitoring, probe: Probe) -> None:
    monitoring.write()
    answer = await probe.submit([seen(0, -60 * n) for n in range(3)])
    assert (answer.report.accepted_count, list(answer.report.rejections)) == (3, [])
    assert answer.server_time.ToDatetime(UTC) == NOON

    async def stored() -> bool:
        return await monitoring.stored() == 3

    assert await until(stored, within_s=30)
    assert (await monitoring.status()).reason == "1 measurements as they should be"


async def test_what_is_not_this_agent_s_is_told_by_index_and_the_rest_kept(
    monitoring: Monitoring, probe: Probe
) -> None:
    monitoring.write()
    answer = await probe.submit(
        [
            seen(0, 0),
            seen(2, 0),
            measured(1, 0, source="icmp"),
            Measurement(point="regions/64.09/points/P-1", source="A-1", success=True),
            seen(1, 0),
        ]
    )
    assert answer.report.accepted_count == 2
    assert [(r.index, r.reason) for r in answer.report.rejections] == [
        (1, "NOT_OF_AGENT"),
        (2, "NOT_OF_AGENT"),
        (3, "INVALID"),
    ]

    async def stored() -> bool:
        return await monitoring.stored() == 2

    assert await until(stored, within_s=30)


async def test_a_batch_that_is_sent_again_adds_nothing(
    monitoring: Monitoring, probe: Probe
) -> None:
    monitoring.write()
    request = probe.batch([seen(0, -n) for n in range(10)])
    for _ in range(3):
        answer = await monitoring.stub.SubmitBatch(request)
        assert answer.report.accepted_count == 10
    await probe.submit([seen(1, 0)])

    async def stored() -> bool:
        return await monitoring.stored() == 11

    assert await until(stored, within_s=30)


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_batch_of_another_time_is_refused_with_the_servers(
    probe: Probe, minutes: int
) -> None:
    sent = NOON + timedelta(minutes=minutes)
    refusal = await refused(probe.submit([seen(0, 0)], send_time=sent))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "CLOCK_WRONG",
    )
    assert refusal.metadata["server_time"] == NOON.isoformat(timespec="milliseconds")
    near = NOON + timedelta(minutes=minutes - minutes // 6)
    assert (await probe.submit([seen(0, 0)], send_time=near)).report.accepted_count == 1


async def test_a_batch_that_was_changed_or_is_anothers_is_refused(
    monitoring: Monitoring, probe: Probe
) -> None:
    other = Probe(monitoring, name=f"{REGION}/agents/B-1")
    await other.enrol((await create(monitoring, "B-1")).enrolment_code)
    changed = probe.batch([seen(0, 0)])
    changed.batch += b"\x08"
    as_other = other.batch([seen(0, 0)])
    as_other.name = NAME
    for request in (changed, as_other):
        refusal = await refused(monitoring.stub.SubmitBatch(request))
        assert refusal.reason == "BATCH_NOT_BELIEVED"
    inside = await refused(other.submit([seen(0, 0)], agent=NAME))
    assert set(inside.fields) == {"batch.agent"}


async def test_what_is_signed_and_no_batch_is_refused_with_every_fault(
    monitoring: Monitoring, probe: Probe
) -> None:
    many = [seen(0, 0)] * 1001
    refusal = await refused(probe.submit(many, sequence=0, software_version="x" * 101))
    assert set(refusal.fields) == {
        "batch.sequence",
        "batch.softwareVersion",
        "batch.measurements",
    }
    garbage = b"\xff\xff\xff"
    signature = probe.key.sign(SIGNED_FIRST + garbage)
    request = agent_pb2.SubmitBatchRequest(name=NAME, batch=garbage, signature=signature)
    refusal = await refused(monitoring.stub.SubmitBatch(request))
    assert [v.reason for v in refusal.violations] == ["BATCH_MALFORMED"]


async def test_backlogs_find_their_turns_and_small_batches_pass_by(
    monitoring: Monitoring, probe: Probe
) -> None:
    large = [probe.batch([seen(0, -n - 500 * k) for n in range(500)]) for k in range(6)]
    small = probe.batch([seen(1, -n) for n in range(10)])

    async def outcome(request: agent_pb2.SubmitBatchRequest) -> str:
        try:
            await monitoring.stub.SubmitBatch(request)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name} {refusal_of(error).reason}"
        return "OK"

    with monitoring.needs.backlog_turns.turn(10**6), monitoring.needs.backlog_turns.turn(10**6):
        found = await asyncio.gather(*map(outcome, [*large, small]))
    assert found == ["UNAVAILABLE BACKLOG_CROWDED"] * 6 + ["OK"]
    assert await outcome(large[0]) == "OK"
    assert await outcome(large[1]) == "OK"


async def test_an_empty_batch_asks_for_the_time(monitoring: Monitoring, probe: Probe) -> None:
    answer = await probe.submit([])
    assert answer.server_time.ToDatetime(UTC) == NOON
    assert (await get(monitoring)).contact.batch_count == 1


async def test_what_batches_tell_of_their_agent_is_shown_and_changes_no_etag(
    monitoring: Monitoring, probe: Probe
) -> None:
    before = await get(monitoring)
    assert not before.HasField("contact")
    await probe.submit([seen(0, 0), seen(5, 0)])
    await probe.submit([seen(0, 1)], sequence=9)
    await probe.submit([seen(0, 2)], sequence=3)
    after = await get(monitoring)
    contact = after.contact
    assert contact.last_batch_time.ToDatetime(UTC) == NOON
    assert (contact.last_sequence, contact.clock_skew_ms) == (9, -250)
    assert contact.software_version == "test 1"
    assert (contact.batch_count, contact.accepted_count, contact.rejected_count) == (3, 3, 1)
    assert after.etag == before.etag


@pytest.mark.usefixtures("probe")
async def test_the_history_tells_who_did_what(monitoring: Monitoring) -> None:
    await monitoring.stub.RevokeAgent(agent_pb2.RevokeAgentRequest(name=NAME))
    async with monitoring.database.read() as connection:
        rows = await connection.fetch(
            "SELECT action, actor, after FROM changes WHERE resource = $1 ORDER BY change_id", NAME
        )
    assert [(row["action"], row["actor"]) for row in rows] == [
        ("create", "anonymous"),
        ("enrol", NAME),
        ("revoke", "anonymous"),
    ]
    assert json.loads(rows[1]["after"])["state"] == "ENROLLED"
    assert "enrolmentCode" not in " ".join(row["after"] for row in rows)
