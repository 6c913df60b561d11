"""Agents are made, enrolled and revoked; whoever only pretends is refused."""

import asyncio
import json
from datetime import UTC, timedelta
from typing import Any

import grpc
import pytest
from common.rpc.refusals import refusal_of
from devstack.waiting import until
from google.protobuf.field_mask_pb2 import FieldMask
from monitoring.testing import NOON, REGION, Monitoring
from monitoring.testing_agents import NAME, POINTS, Probe, create, get, refused, seen
from smartcity.monitoring.v1 import agent_pb2
from smartcity.monitoring.v1.agent_pb2 import Agent

WAITING = """
SELECT count(*)
  FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


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


async def test_of_those_who_enrol_at_once_with_one_code_one_is_enrolled(
    monitoring: Monitoring,
) -> None:
    code = (await create(monitoring)).enrolment_code

    async def outcome(probe: Probe) -> str:
        try:
            return (await probe.enrol(code)).key_fingerprint
        except grpc.aio.AioRpcError as error:
            return refusal_of(error).reason

    async def all_wait() -> bool:
        async with monitoring.database.read() as connection:
            return bool(await connection.fetchval(WAITING) == 4)

    async with monitoring.database.transaction() as connection:
        await connection.execute("SELECT FROM agents FOR UPDATE")
        outcomes = [asyncio.create_task(outcome(Probe(monitoring))) for _ in range(4)]
        assert await until(all_wait, within_s=30)
    found = await asyncio.gather(*outcomes)
    assert found.count("ENROLMENT_REFUSED") == 3
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
