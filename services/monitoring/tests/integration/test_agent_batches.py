"""Batches that agents sign are believed; whoever only pretends is not."""

import asyncio
from datetime import UTC

import grpc
from common.rpc.refusals import refusal_of
from devstack.waiting import until
from monitoring.testing import NOON, REGION, Monitoring, measured
from monitoring.testing_agents import NAME, SIGNED_FIRST, Probe, create, get, refused, seen
from smartcity.monitoring.v1 import agent_pb2
from smartcity.monitoring.v1.measurement_pb2 import Measurement


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
