"""Files of incidents: taken by their content, given out as they came, kept apart by region."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import asyncpg
import grpc
import pytest
from common.caller import CALLER, SYSTEM, Caller
from common.errors import ResourceMissing
from common.postgres.history import verify
from common.postgres.pages import Page
from common.rpc.refusals import refusal_of
from google.api.httpbody_pb2 import HttpBody
from monitoring.operations import attach_file
from monitoring.operations.run_incidents import follow_all
from monitoring.testing import REGION, Monitoring, measured, write_measurements
from smartcity.monitoring.v1 import attachment_pb2, incident_pb2
from smartcity.monitoring.v1.attachment_pb2 import Attachment

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 3000
INCIDENT = f"{REGION}/incidents/2026-0001"
OUTSIDE = "SELECT pg_column_size(content) FROM incident_attachments"


@pytest.fixture
async def incident(monitoring: Monitoring) -> Monitoring:
    """Give a monitoring with one incident."""
    some = [measured(1, 10 * n, letter) for n, letter in enumerate("gsss")]
    await write_measurements(monitoring.needs, 0, some)
    assert await follow_all(monitoring.needs) == 1
    return monitoring


async def upload(monitoring: Monitoring, data: bytes = JPEG, **fields: Any) -> Attachment:
    given: dict[str, Any] = {"parent": INCIDENT, "file_name": "catu daya.jpg"} | fields
    request = attachment_pb2.UploadAttachmentRequest(file=HttpBody(data=data), **given)
    return await monitoring.stub.UploadAttachment(request)


async def refused(monitoring: Monitoring, data: bytes = JPEG, **fields: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await upload(monitoring, data, **fields)
    return refusal_of(failed.value)


async def listed(monitoring: Monitoring, **fields: Any) -> attachment_pb2.ListAttachmentsResponse:
    request = attachment_pb2.ListAttachmentsRequest(parent=INCIDENT, **fields)
    return await monitoring.stub.ListAttachments(request)


async def download(monitoring: Monitoring, name: str) -> tuple[bytes, str, dict[str, str]]:
    call = monitoring.stub.DownloadAttachment(attachment_pb2.DownloadAttachmentRequest(name=name))
    headers = {key: str(value) for key, value in (await call.initial_metadata() or ())}
    pieces = [piece async for piece in call]
    return b"".join(piece.data for piece in pieces), pieces[0].content_type, headers


async def entries(monitoring: Monitoring) -> Sequence[incident_pb2.IncidentEntry]:
    request = incident_pb2.ListIncidentEntriesRequest(parent=INCIDENT)
    return (await monitoring.stub.ListIncidentEntries(request)).incident_entries


async def test_a_file_is_given_out_as_it_came_and_stands_in_the_timeline(
    incident: Monitoring,
) -> None:
    made = await upload(incident, file_name="foto/Catu dayá.jpg", text="terbakar")
    assert (made.media_type, made.size_bytes) == ("image/jpeg", len(JPEG))
    assert made.sha256 == hashlib.sha256(JPEG).hexdigest()
    content, media_type, headers = await download(incident, made.name)
    assert content == JPEG
    assert media_type == "image/jpeg"
    assert headers["content-disposition"] == (
        "attachment; filename=\"Catu day_.jpg\"; filename*=UTF-8''Catu%20day%C3%A1.jpg"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert list((await listed(incident)).attachments) == [made]
    last = (await entries(incident))[-1]
    assert (last.action, last.attachment) == ("ATTACHED", made.name)
    assert last.text == f"Catu dayá.jpg (image/jpeg, {len(JPEG)} bytes): terbakar"
    async with incident.database.read() as connection:
        assert await connection.fetchval(OUTSIDE) >= len(JPEG)
        assert await verify(connection)


async def test_a_removed_file_leaves_its_entries(incident: Monitoring) -> None:
    made = await upload(incident)
    await incident.stub.DeleteAttachment(attachment_pb2.DeleteAttachmentRequest(name=made.name))
    assert not (await listed(incident)).attachments
    assert [(one.action, one.attachment) for one in await entries(incident)][1:] == [
        ("ATTACHED", made.name),
        ("DETACHED", made.name),
    ]
    for call in (
        incident.stub.DeleteAttachment(attachment_pb2.DeleteAttachmentRequest(name=made.name)),
        download(incident, made.name),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call
        assert failed.value.code() == grpc.StatusCode.NOT_FOUND


async def test_everything_wrong_is_told_at_once_and_nothing_kept(incident: Monitoring) -> None:
    zipped = await refused(incident, b"PK\x03\x04\x14\x00", file_name="")
    assert set(zipped.fields) == {"file", "fileName"}
    assert "image/jpeg" in str(zipped.fields["file"])
    assert set((await refused(incident, b"")).fields) == {"file"}
    large = await refused(incident, JPEG + bytes(10 * 1024 * 1024))
    assert "10485760" in str(large.fields["file"])
    missing = await refused(incident, parent=f"{REGION}/incidents/2026-0099")
    assert missing.reason == "RESOURCE_MISSING"
    assert not (await listed(incident)).attachments
    assert len(await entries(incident)) == 1


async def test_the_quota_of_an_incident_holds_when_many_attach_at_once(
    incident: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach_file, "MOST_FILES", 3)
    tries = [upload(incident, b"note %d" % n, file_name="note.txt") for n in range(8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    failed = [one for one in results if isinstance(one, grpc.aio.AioRpcError)]
    assert [refusal_of(one).reason for one in failed] == ["ATTACHMENTS_FULL"] * 5
    assert (await listed(incident)).total_size == 3
    monkeypatch.setattr(attach_file, "MOST_FILES", 20)
    monkeypatch.setattr(attach_file, "MOST_TOTAL_BYTES", 20)
    assert (await refused(incident, b"too much")).reason == "ATTACHMENTS_FULL"


async def test_an_upload_sent_twice_is_one_file(incident: Monitoring) -> None:
    first = await upload(incident, request_id="once")
    assert await upload(incident, request_id="once") == first
    assert (await refused(incident, b"other", request_id="once")).reason == "REQUEST_ID_REUSED"
    assert (await listed(incident)).total_size == 1


async def test_files_come_in_pages(incident: Monitoring) -> None:
    made = [await upload(incident, b"%d" % n, file_name=f"{n}.txt") for n in range(3)]
    first = await listed(incident, page_size=2)
    second = await listed(incident, page_size=2, page_token=first.next_page_token)
    assert [*first.attachments, *second.attachments] == made
    assert not second.next_page_token


async def test_what_is_no_id_of_a_file_is_refused_like_one_that_is_not_there(
    incident: Monitoring,
) -> None:
    name = f"{INCIDENT}/attachments/{'-' * 36}"
    remove = attachment_pb2.DeleteAttachmentRequest(name=name)
    for call in (incident.stub.DeleteAttachment(remove), download(incident, name)):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call
        assert refusal_of(failed.value).reason == "RESOURCE_MISSING"
    forged = Page(attachment_pb2.ListAttachmentsRequest(parent=INCIDENT)).token("no id")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await listed(incident, page_token=forged)
    assert refusal_of(failed.value).reason == "PAGE_TOKEN_INVALID"


async def test_another_region_sees_no_file(incident: Monitoring) -> None:
    made = await upload(incident)
    CALLER.set(Caller("budi", "64.09", "64.09/operator", SYSTEM.expires))
    async with incident.database.read() as connection:
        assert await connection.fetchval("SELECT count(*) FROM incident_attachments") == 0
    request = attachment_pb2.DeleteAttachmentRequest(name=made.name)
    with pytest.raises(ResourceMissing):
        await attach_file.delete_attachment(incident.needs, request)
    CALLER.set(SYSTEM)
    assert (await listed(incident)).total_size == 1


async def test_the_database_itself_refuses_a_file_changed_behind(incident: Monitoring) -> None:
    await upload(incident)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with incident.database.transaction() as connection:
            await connection.execute("UPDATE incident_attachments SET caption = ''")
