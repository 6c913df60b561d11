"""What the operator's tool takes from the environment."""

from common.settings import DatabaseSettings, ServiceSettings


class OperatorSettings(ServiceSettings, DatabaseSettings):
    """The bus, and the database of the service whose outbox is looked at."""

    database_url: str = ""
    """`postgresql://inventory@host/inventory`; without it the outbox is not shown."""
