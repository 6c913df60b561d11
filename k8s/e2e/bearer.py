"""Tokens of the cluster's own Keycloak, for a client that the tests make there."""

import time
from collections.abc import Generator
from typing import Any

import httpx
from kubectl import forwarded, secret

CLIENT = "e2e"
TEMPLATE = "service-template"
REALM = "/admin/realms/smartcity"
FRESH_S = 200.0
"""A token lives for 300 s."""


class ClusterToken(httpx.Auth):
    """Brings a token with one grant, fetched from the public address as a program does."""

    requires_response_body = True

    def __init__(self, issuer: str, grant: str) -> None:
        self._url = f"{issuer}/protocol/openid-connect/token"
        self._secret = client_secret(grant)
        self._token = ""
        self._fetched = -FRESH_S

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Fetch a token when the last one is old, and send the request with it."""
        if time.monotonic() - self._fetched >= FRESH_S:
            own = {"client_id": CLIENT, "client_secret": self._secret}
            asked = httpx.Request(
                "POST", self._url, data=own | {"grant_type": "client_credentials"}
            )
            answer = yield asked
            self._token = str(done(answer).json()["access_token"])
            self._fetched = time.monotonic()
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request


def client_secret(grant: str) -> str:
    """Make the client as a copy of the realm's template, with the grant; return its secret."""
    first = secret("keycloak", "keycloak-initial-admin")
    with (
        forwarded("keycloak", "keycloak-service", 8080) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as keycloak,
    ):
        keycloak.headers["authorization"] = f"Bearer {_administrator(keycloak, first)}"
        client = _client(keycloak)
        path = f"{REALM}/clients/{client['id']}"
        user = done(keycloak.get(f"{path}/service-account-user")).json()["id"]
        searched = {"search": grant, "exact": "true"}
        groups = done(keycloak.get(f"{REALM}/groups", params=searched)).json()
        (group,) = [one for one in groups if one["name"] == grant]
        done(keycloak.put(f"{REALM}/users/{user}/groups/{group['id']}"))
        return str(done(keycloak.get(f"{path}/client-secret")).json()["value"])


def _client(keycloak: httpx.Client) -> dict[str, Any]:
    if not _clients(keycloak, CLIENT):
        (template,) = _clients(keycloak, TEMPLATE)
        mappers = [_without_id(one) for one in template["protocolMappers"]]
        changed = {"clientId": CLIENT, "enabled": True, "protocolMappers": mappers}
        done(keycloak.post(f"{REALM}/clients", json=_without_id(template) | changed))
    (client,) = _clients(keycloak, CLIENT)
    return client


def _administrator(keycloak: httpx.Client, first: dict[str, str]) -> str:
    own = {"username": first["username"], "password": first["password"]}
    asked = {"grant_type": "password", "client_id": "admin-cli"} | own
    answer = keycloak.post("/realms/master/protocol/openid-connect/token", data=asked)
    return str(done(answer).json()["access_token"])


def _clients(keycloak: httpx.Client, client_id: str) -> list[dict[str, Any]]:
    found = keycloak.get(f"{REALM}/clients", params={"clientId": client_id})
    clients: list[dict[str, Any]] = done(found).json()
    return clients


def _without_id(given: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key not in ("id", "secret")}


def done(answer: httpx.Response) -> httpx.Response:
    """Return a good answer.

    Raises:
        httpx.HTTPStatusError: It is none.
    """
    return answer.raise_for_status()
