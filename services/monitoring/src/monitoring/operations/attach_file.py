"""Attaching a file to an incident, and removing it; the timeline keeps that it was there."""

import hashlib

from common.caller import current_caller
from common.errors import FieldsInvalid, Kind, ResourceMissing, ServiceError, Violation
from common.names import ids, last_id, region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate
from common.postgres.values import timestamp
from common.validation import violations
from google.protobuf.empty_pb2 import Empty
from smartcity.monitoring.v1.attachment_pb2 import (
    Attachment,
    DeleteAttachmentRequest,
    UploadAttachmentRequest,
)

from monitoring.domain.attached_file import ENDINGS, MOST_BYTES, media_type_of, safe_name
from monitoring.domain.incident import Entry
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.publish import MUTATIONS
from monitoring.storage import attachments, incidents

MOST_FILES = 20
MOST_TOTAL_BYTES = 50 * 1024 * 1024
"""Of all files of one incident."""


class AttachmentsFull(ServiceError):
    """The incident holds as much as one may."""

    kind = Kind.WRONG_STATE
    reason = "ATTACHMENTS_FULL"


async def upload_attachment(needs: Dependencies, request: UploadAttachmentRequest) -> Attachment:
    """Keep a file with an incident.

    Raises:
        FieldsInvalid, ResourceMissing, AttachmentsFull.
    """
    content = request.file.data
    media_type = media_type_of(content) or ""
    wrong = [*violations(request), *_wrong_file(content, media_type)]
    if wrong:
        raise FieldsInvalid(wrong)
    attachment = Attachment(
        name=f"{request.parent}/attachments/{needs.new_id()}",
        file_name=safe_name(request.file_name, media_type),
        media_type=media_type,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        text=request.text,
        creator=current_caller().subject,
        create_time=timestamp(needs.clock()),
    )

    async def act(connection: Connection) -> Attachment:
        if not await attachments.lock_incident(connection, request.parent):
            raise ResourceMissing(request.parent)
        _refuse_full(request, await attachments.held(connection, request.parent))
        await attachments.insert(connection, attachment, content)
        said = (
            f"{_described(attachment)}: {request.text}" if request.text else _described(attachment)
        )
        await _note(needs, connection, attachment, "ATTACHED", said)
        await MUTATIONS.publish(connection, request, "create", after=attachment)
        return attachment

    return await mutate(needs.database, request, region_of(request.parent), Attachment, act)


async def delete_attachment(needs: Dependencies, request: DeleteAttachmentRequest) -> Empty:
    """Remove a file for good.

    Raises:
        ResourceMissing: There is none of this name.
    """

    async def act(connection: Connection) -> Empty:
        await attachments.lock_incident(connection, request.name)
        attachment = await attachments.read(connection, request.name)
        if attachment is None:
            raise ResourceMissing(request.name)
        await attachments.delete(connection, request.name)
        await _note(needs, connection, attachment, "DETACHED", _described(attachment))
        await MUTATIONS.publish(connection, request, "delete", before=attachment)
        return Empty()

    return await mutate(needs.database, request, region_of(request.name), Empty, act)


def _wrong_file(content: bytes, media_type: str) -> list[Violation]:
    if len(content) > MOST_BYTES:
        sentence = f"must have at most {MOST_BYTES} bytes (10 MiB), this one has {len(content)}"
        return [Violation("file", sentence, "FILE_TOO_LARGE")]
    if not media_type:
        what = "this one is none of these by its content" if content else "this one is empty"
        allowed = ", ".join(one.partition(";")[0] for one in ENDINGS)
        return [Violation("file", f"must be one of {allowed}; {what}", "FILE_TYPE_NOT_ALLOWED")]
    return []


def _refuse_full(request: UploadAttachmentRequest, held: attachments.Held) -> None:
    total = held.total_bytes + len(request.file.data)
    if held.files >= MOST_FILES or total > MOST_TOTAL_BYTES:
        raise AttachmentsFull(
            f"{request.parent} has {held.files} files of {held.total_bytes} bytes; at most "
            f"{MOST_FILES} files and {MOST_TOTAL_BYTES} bytes may be attached to one incident",
            resource=request.parent,
            files=held.files,
            bytes=held.total_bytes,
        )


def _described(attachment: Attachment) -> str:
    media_type = attachment.media_type.partition(";")[0]
    return f"{attachment.file_name} ({media_type}, {attachment.size_bytes} bytes)"


async def _note(
    needs: Dependencies, connection: Connection, attachment: Attachment, action: str, text: str
) -> None:
    region, incident_id, _ = ids(attachment.name)
    entry = Entry(incident_id, action, text, last_id(attachment.name))
    when = needs.clock(), current_caller().subject
    await incidents.store_entries(connection, region, when, [entry])
