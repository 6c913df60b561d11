"""The methods for the files of incidents."""

from collections.abc import AsyncIterator
from uuid import UUID

from common.errors import ResourceMissing
from common.names import last_id
from common.postgres.pages import Page
from common.rpc.downloads import disposition, pieces
from common.rpc.interceptor import Context
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.empty_pb2 import Empty
from smartcity.monitoring.v1 import attachment_pb2

from monitoring.operations.attach_file import delete_attachment, upload_attachment
from monitoring.operations.dependencies import Dependencies
from monitoring.storage import attachments, incidents

NO_SNIFFING = ("x-content-type-options", "nosniff")
"""Said here too, for whoever calls without the edge between."""


class AttachmentMethods:
    """Answers about the files of incidents."""

    needs: Dependencies

    async def UploadAttachment(
        self, request: attachment_pb2.UploadAttachmentRequest, _: Context
    ) -> attachment_pb2.Attachment:
        """Attach a file."""
        return await upload_attachment(self.needs, request)

    async def ListAttachments(
        self, request: attachment_pb2.ListAttachmentsRequest, _: Context
    ) -> attachment_pb2.ListAttachmentsResponse:
        """List the files of an incident."""
        page = Page(request, key=(UUID,))
        async with self.needs.database.read() as connection:
            listed = await attachments.list_page(connection, request, page)
            if not listed.total and await incidents.read(connection, request.parent) is None:
                raise ResourceMissing(request.parent)
        return attachment_pb2.ListAttachmentsResponse(
            attachments=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].name)) if listed.more else "",
            total_size=listed.total,
        )

    async def DownloadAttachment(
        self, request: attachment_pb2.DownloadAttachmentRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """Return the content of a file."""
        async with self.needs.database.read() as connection:
            row = await attachments.read_content(connection, request.name)
        if row is None:
            raise ResourceMissing(request.name)
        await context.send_initial_metadata([disposition(row["file_name"]), NO_SNIFFING])
        for piece in pieces(row["content"]):
            yield HttpBody(content_type=row["media_type"], data=piece)

    async def DeleteAttachment(
        self, request: attachment_pb2.DeleteAttachmentRequest, _: Context
    ) -> Empty:
        """Remove a file."""
        return await delete_attachment(self.needs, request)
