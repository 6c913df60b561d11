"""What the operator's tool takes from the environment."""

from pydantic import Field

from common.settings import DatabaseSettings, ServiceSettings


class OperatorSettings(ServiceSettings, DatabaseSettings):
    """The bus, and the databases whose outboxes are looked at."""

    database_url: str = ""
    """`postgresql://inventory@host/inventory`: the one outbox to show, where there is one."""
    outboxes: dict[str, str] = Field(default_factory=dict)
    """JSON: the service's name to its database's address, for all that have an outbox."""

    def databases(self) -> dict[str, str]:
        """Return the address of each database by what its outbox is called."""
        named = {f"outbox of {name}": url for name, url in self.outboxes.items()}
        return named | ({"outbox": self.database_url} if self.database_url else {})
