"""The inventory's providers: what they are called."""

from common.events.consumer import Interest
from common.events.event import Event, type_of
from common.postgres.database import Connection
from smartcity.inventory.v1.events_pb2 import ProviderChanged

from monitoring.storage import providers

INTEREST = Interest(
    "monitoring-providers", "INVENTORY", ("smartcity.*.inventory.provider.>",), newest_only=True
)
CHANGED = type_of(ProviderChanged.DESCRIPTOR)


async def keep_provider(connection: Connection, event: Event) -> None:
    """Keep the name of the provider that an event carries, or forget it with the provider."""
    if event.type == CHANGED:  # else a kind of event that this release does not know yet
        told = ProviderChanged.FromString(event.body)
        keep = providers.forget if told.deleted else providers.store
        await keep(connection, told.provider, event.sequence)
