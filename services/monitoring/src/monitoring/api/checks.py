"""The methods for checks."""

from common.errors import ResourceMissing
from common.names import ANY, ids, last_id, region_of
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from google.protobuf.empty_pb2 import Empty
from smartcity.monitoring.v1 import check_pb2

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.write_check import create_check, delete_check, update_check
from monitoring.storage import checks, points


class CheckMethods:
    """Answers about checks."""

    needs: Dependencies

    async def GetCheck(self, request: check_pb2.GetCheckRequest, _: Context) -> check_pb2.Check:
        """Return a check."""
        async with self.needs.database.read() as connection:
            check = await checks.read(connection, request.name)
        if check is None:
            raise ResourceMissing(request.name)
        return check

    async def ListChecks(
        self, request: check_pb2.ListChecksRequest, _: Context
    ) -> check_pb2.ListChecksResponse:
        """List checks."""
        page = Page(request, key=(str, str))
        point, region = last_id(request.parent), region_of(request.parent)
        async with self.needs.database.read() as connection:
            listed = await checks.list_page(connection, request, page)
            known = point == ANY or await points.known(connection, region, [point])
        if not (listed.total or known):
            raise ResourceMissing(request.parent)
        return check_pb2.ListChecksResponse(
            checks=listed.items,
            next_page_token=page.token(*ids(listed.items[-1].name)[1:]) if listed.more else "",
            total_size=listed.total,
        )

    async def CreateCheck(
        self, request: check_pb2.CreateCheckRequest, _: Context
    ) -> check_pb2.Check:
        """Create a check."""
        return await create_check(self.needs, request)

    async def UpdateCheck(
        self, request: check_pb2.UpdateCheckRequest, _: Context
    ) -> check_pb2.Check:
        """Change fields of a check."""
        return await update_check(self.needs, request)

    async def DeleteCheck(self, request: check_pb2.DeleteCheckRequest, _: Context) -> Empty:
        """Delete a check."""
        return await delete_check(self.needs, request)
