"""The methods for providers."""

from common.errors import ResourceMissing
from common.names import last_id, region_of
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from google.protobuf.empty_pb2 import Empty
from smartcity.inventory.v1 import provider_pb2

from inventory.operations.dependencies import Dependencies
from inventory.operations.write_provider import create_provider, delete_provider, update_provider
from inventory.storage import providers
from inventory.storage.regions import require_region


class ProviderMethods:
    """Answers about providers."""

    needs: Dependencies

    async def GetProvider(
        self, request: provider_pb2.GetProviderRequest, _: Context
    ) -> provider_pb2.Provider:
        """Return a provider."""
        async with self.needs.database.read() as connection:
            provider = await providers.read(connection, request.name)
        if provider is None:
            raise ResourceMissing(request.name)
        return provider

    async def ListProviders(
        self, request: provider_pb2.ListProvidersRequest, _: Context
    ) -> provider_pb2.ListProvidersResponse:
        """List providers."""
        page = Page(request)
        async with self.needs.database.read() as connection:
            listed = await providers.list_page(connection, request, page)
            if not listed.total:
                await require_region(connection, region_of(request.parent))
        return provider_pb2.ListProvidersResponse(
            providers=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].name)) if listed.more else "",
            total_size=listed.total,
        )

    async def CreateProvider(
        self, request: provider_pb2.CreateProviderRequest, _: Context
    ) -> provider_pb2.Provider:
        """Create a provider."""
        return await create_provider(self.needs, request)

    async def UpdateProvider(
        self, request: provider_pb2.UpdateProviderRequest, _: Context
    ) -> provider_pb2.Provider:
        """Change fields of a provider."""
        return await update_provider(self.needs, request)

    async def DeleteProvider(
        self, request: provider_pb2.DeleteProviderRequest, _: Context
    ) -> Empty:
        """Delete a provider."""
        return await delete_provider(self.needs, request)
