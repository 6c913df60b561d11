"""The two clients that the local issuer knows, as Authlib asks for them."""

import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin
from common.auth.grants import grants_from

CONSOLE = "console"
"""A page in a browser: public, authorization code with PKCE."""
MACHINE = "local"
"""A program on this machine, such as `make token`: client credentials."""
USER_SCOPES = ("openid", "profile")


@dataclass(frozen=True, slots=True)
class Client(ClientMixin):
    """A client of the issuer; one without a secret is public."""

    client_id: str
    grant_type: str
    secret: str = ""

    def get_client_id(self) -> str:
        """Return its id."""
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        """Return none: it must be said."""
        return ""

    def get_allowed_scope(self, scope: str | None) -> str:
        """Return those scopes that it may have: grants for a machine, a user's for the console."""
        wanted = (scope or "").split()
        if self.secret:
            return " ".join(one for one in wanted if grants_from([one]))
        return " ".join(one for one in wanted if one in USER_SCOPES)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Allow any page of this machine (RFC 8252, 7.3: whatever the port)."""
        parts = urlsplit(redirect_uri)
        return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")

    def check_client_secret(self, client_secret: str) -> bool:
        """Compare the secret."""
        return hmac.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002
        """Allow a secret, or none for the public client."""
        return method in (
            ("client_secret_basic", "client_secret_post") if self.secret else ("none",)
        )

    def check_response_type(self, response_type: str) -> bool:
        """Allow the authorization code for the public client."""
        return not self.secret and response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Allow the one grant that the client is made for."""
        return grant_type == self.grant_type


def known_clients(secret: str) -> dict[str, Client]:
    """Return the clients by id; `secret` is the machine's."""
    return {
        CONSOLE: Client(CONSOLE, "authorization_code"),
        MACHINE: Client(MACHINE, "client_credentials", secret),
    }
