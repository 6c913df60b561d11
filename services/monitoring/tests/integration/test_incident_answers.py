"""Incidents as people read, find and answer them."""

import grpc
import pytest
from common.postgres.history import verify
from common.rpc.refusals import refusal_of
from monitoring.operations.run_incidents import follow_all, look_again
from monitoring.testing import REGION, Monitoring
from monitoring.testing_incidents import listed, see, timeline
from smartcity.monitoring.v1 import change_pb2, incident_pb2
from smartcity.monitoring.v1.incident_pb2 import Incident


async def test_people_acknowledge_comment_classify_and_resolve(monitoring: Monitoring) -> None:
    await see(monitoring, "gsss", 1)
    await follow_all(monitoring.needs)
    (opened,) = await listed(monitoring)
    stub, name = monitoring.stub, opened.name
    acknowledge = incident_pb2.AcknowledgeIncidentRequest(
        name=name, etag=opened.etag, assignee="budi", request_id="once"
    )
    acknowledged = await stub.AcknowledgeIncident(acknowledge)
    assert (acknowledged.state, acknowledged.assignee) == (Incident.ACKNOWLEDGED, "budi")
    assert await stub.AcknowledgeIncident(acknowledge) == acknowledged
    other = incident_pb2.AcknowledgeIncidentRequest(name=name, assignee="sari")
    assert (await stub.AcknowledgeIncident(other)).assignee == "sari"
    comment = incident_pb2.CommentIncidentRequest(name=name, text="PLN padam")
    assert (await stub.CommentIncident(comment)).text == "PLN padam"
    classified = await stub.ClassifyIncident(
        incident_pb2.ClassifyIncidentRequest(
            name=name, cause=Incident.POWER, liability=Incident.NEITHER, text="padam"
        )
    )
    assert (classified.cause, classified.liability) == (Incident.POWER, Incident.NEITHER)
    resolve = incident_pb2.ResolveIncidentRequest(name=name, text="sudah dicek")
    assert (await stub.ResolveIncident(resolve)).state == Incident.RESOLVED
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.ResolveIncident(resolve)
    assert refusal_of(error.value).reason == "INCIDENT_RESOLVED"
    actions = [action for _, action in await timeline(monitoring, opened)]
    assert actions == [
        "OPENED",
        "ACKNOWLEDGED",
        "ASSIGNED",
        "COMMENTED",
        "CLASSIFIED",
        "RESOLVED",
    ]
    await look_again(monitoring.needs)
    await follow_all(monitoring.needs)
    assert len(await listed(monitoring)) == 1
    history = await stub.ListChanges(change_pb2.ListChangesRequest(name=name))
    assert [change.action for change in history.changes] == [
        "resolve",
        "classify",
        "acknowledge",
        "acknowledge",
    ]
    async with monitoring.database.read() as connection:
        assert (await verify(connection))[0]


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GetIncident", incident_pb2.GetIncidentRequest(name=f"{REGION}/incidents/2026-9999")),
        (
            "AcknowledgeIncident",
            incident_pb2.AcknowledgeIncidentRequest(name=f"{REGION}/incidents/2026-9999"),
        ),
        (
            "CommentIncident",
            incident_pb2.CommentIncidentRequest(name=f"{REGION}/incidents/2026-9999", text="?"),
        ),
        (
            "ListIncidentEntries",
            incident_pb2.ListIncidentEntriesRequest(parent=f"{REGION}/incidents/2026-9999"),
        ),
    ],
)
async def test_an_unknown_incident_is_told_by_name(
    monitoring: Monitoring, method: str, request_: object
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await getattr(monitoring.stub, method)(request_)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
    assert "2026-9999" in (error.value.details() or "")


async def test_a_stale_etag_changes_nothing(monitoring: Monitoring) -> None:
    await see(monitoring, "gsss", 1)
    await follow_all(monitoring.needs)
    (incident,) = await listed(monitoring)
    request = incident_pb2.AcknowledgeIncidentRequest(name=incident.name, etag='"0-0"')
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await monitoring.stub.AcknowledgeIncident(request)
    assert error.value.code() == grpc.StatusCode.ABORTED
    assert await listed(monitoring) == [incident]


async def test_lists_are_paged_and_filtered(monitoring: Monitoring) -> None:
    for number in range(5):
        await see(monitoring, "gsss", number, begin_s=400 * number)
    await follow_all(monitoring.needs)
    request = incident_pb2.ListIncidentsRequest(parent=REGION, page_size=2)
    seen: list[str] = []
    while True:
        answer = await monitoring.stub.ListIncidents(request)
        seen += [one.point.rpartition("/")[2] for one in answer.incidents]
        assert answer.total_size == 5
        request.page_token = answer.next_page_token
        if not request.page_token:
            break
    assert seen == ["P-4", "P-3", "P-2", "P-1", "P-0"]
    only = await listed(monitoring, point=f"{REGION}/points/P-3", state=[Incident.OPEN])
    assert [one.title for one in only] == ["Titik 3"]
    assert await listed(monitoring, priority=[Incident.CRITICAL]) == []
