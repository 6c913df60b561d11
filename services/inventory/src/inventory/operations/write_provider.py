"""Creating, changing and deleting providers."""

from common.names import region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate, nothing_more
from google.protobuf.empty_pb2 import Empty
from smartcity.inventory.v1 import provider_pb2
from smartcity.inventory.v1.provider_pb2 import Provider

from inventory.operations.dependencies import Dependencies
from inventory.operations.publish import MUTATIONS
from inventory.storage import providers


async def create_provider(
    needs: Dependencies, request: provider_pb2.CreateProviderRequest
) -> Provider:
    """Create a provider."""

    async def act(connection: Connection) -> Provider:
        draft = request.provider
        draft.name = f"{request.parent}/providers/{request.provider_id or needs.new_id()}"
        return await MUTATIONS.create(connection, providers, request, draft, nothing_more)

    region = region_of(request.parent)
    return await mutate(needs.database, request, region, Provider, act)


async def update_provider(
    needs: Dependencies, request: provider_pb2.UpdateProviderRequest
) -> Provider:
    """Change the masked fields of a provider."""

    async def act(connection: Connection) -> Provider:
        return await MUTATIONS.update(connection, providers, request, "provider", nothing_more)

    region = region_of(request.provider.name)
    return await mutate(needs.database, request, region, Provider, act)


async def delete_provider(
    needs: Dependencies, request: provider_pb2.DeleteProviderRequest
) -> Empty:
    """Delete a provider that no circuit names."""
    return await MUTATIONS.delete_resource(needs.database, providers, request)
