"""Creating, changing and deleting providers."""

from common.names import region_of
from common.postgres.database import Connection
from google.protobuf.empty_pb2 import Empty
from smartcity.inventory.v1 import provider_pb2
from smartcity.inventory.v1.provider_pb2 import Provider

from inventory.operations import mutations
from inventory.operations.dependencies import Dependencies
from inventory.storage import providers


async def create_provider(
    needs: Dependencies, request: provider_pb2.CreateProviderRequest
) -> Provider:
    """Create a provider."""

    async def act(connection: Connection) -> Provider:
        draft = request.provider
        draft.name = f"{request.parent}/providers/{request.provider_id or needs.new_id()}"
        create = mutations.create
        return await create(connection, providers, request, draft, mutations.nothing_more)

    region = region_of(request.parent)
    return await mutations.mutate(needs.database, request, region, Provider, act)


async def update_provider(
    needs: Dependencies, request: provider_pb2.UpdateProviderRequest
) -> Provider:
    """Change the masked fields of a provider."""

    async def act(connection: Connection) -> Provider:
        update = mutations.update
        return await update(connection, providers, request, "provider", mutations.nothing_more)

    region = region_of(request.provider.name)
    return await mutations.mutate(needs.database, request, region, Provider, act)


async def delete_provider(
    needs: Dependencies, request: provider_pb2.DeleteProviderRequest
) -> Empty:
    """Delete a provider that no circuit names."""
    return await mutations.delete_resource(needs.database, providers, request)
