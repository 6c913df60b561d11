"""The methods for regions, districts and villages."""

from common.errors import ResourceMissing
from common.names import ids, last_id
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from smartcity.inventory.v1 import region_pb2

from inventory.operations.dependencies import Dependencies
from inventory.storage import regions


class RegionMethods:
    """Answers from the reference data."""

    needs: Dependencies

    async def GetRegion(
        self, request: region_pb2.GetRegionRequest, _: Context
    ) -> region_pb2.Region:
        """Return a region."""
        async with self.needs.database.read() as connection:
            region = await regions.read_region(connection, last_id(request.name))
        if region is None:
            raise ResourceMissing(request.name)
        return region

    async def ListRegions(
        self, request: region_pb2.ListRegionsRequest, _: Context
    ) -> region_pb2.ListRegionsResponse:
        """List regions."""
        page = Page(request)
        async with self.needs.database.read() as connection:
            listed = await regions.list_regions(connection, request, page)
        return region_pb2.ListRegionsResponse(
            regions=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].name)) if listed.more else "",
            total_size=listed.total,
        )

    async def GetDistrict(
        self, request: region_pb2.GetDistrictRequest, _: Context
    ) -> region_pb2.District:
        """Return a district."""
        async with self.needs.database.read() as connection:
            district = await regions.read_district(connection, *ids(request.name))
        if district is None:
            raise ResourceMissing(request.name)
        return district

    async def ListDistricts(
        self, request: region_pb2.ListDistrictsRequest, _: Context
    ) -> region_pb2.ListDistrictsResponse:
        """List the districts of a region."""
        page = Page(request)
        async with self.needs.database.read() as connection:
            listed = await regions.list_districts(connection, request, page)
            if not listed.total:
                await regions.require_region(connection, last_id(request.parent))
        return region_pb2.ListDistrictsResponse(
            districts=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].name)) if listed.more else "",
            total_size=listed.total,
        )

    async def GetVillage(
        self, request: region_pb2.GetVillageRequest, _: Context
    ) -> region_pb2.Village:
        """Return a village."""
        async with self.needs.database.read() as connection:
            village = await regions.read_village(connection, *ids(request.name))
        if village is None:
            raise ResourceMissing(request.name)
        return village

    async def ListVillages(
        self, request: region_pb2.ListVillagesRequest, _: Context
    ) -> region_pb2.ListVillagesResponse:
        """List the villages of a region."""
        page = Page(request)
        async with self.needs.database.read() as connection:
            listed = await regions.list_villages(connection, request, page)
            if not listed.total:
                await regions.require_region(connection, last_id(request.parent))
        return region_pb2.ListVillagesResponse(
            villages=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].name)) if listed.more else "",
            total_size=listed.total,
        )
