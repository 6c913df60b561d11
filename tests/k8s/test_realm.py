"""The realm: a group for each grant, and tokens that the platform accepts. No Keycloak runs here.

What its mappers put into a token is written down from their documentation: a group's own name with
`full.path` off, and the custom audience.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml
from common.auth.grants import grants_from, role_names
from common.auth.keys import IssuerKeys
from common.auth.tokens import Verifier
from joserfc import jwt
from joserfc.jwk import RSAKey

ISSUER = "https://auth.example.go.id/realms/smartcity"
CONSOLE = "https://smartcity.example.go.id"
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def ten(k8s: Path) -> Path:
    return k8s / "environments/ten-regencies.toml"


@pytest.fixture
def realm(run_script: Run, ten: Path) -> dict[str, Any]:
    made = run_script("keycloak/realm.py", "import", ten, CONSOLE)
    assert made.returncode == 0, made.stderr
    found: dict[str, Any] = yaml.safe_load(made.stdout)["spec"]["realm"]
    return found


def mappers(client: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {one["protocolMapper"]: one["config"] for one in client["protocolMappers"]}


def test_every_role_has_its_group_in_every_region(realm: dict[str, Any]) -> None:
    names = [group["name"] for group in realm["groups"]]
    regions = ["01", "02", "03", "07", "08", "09", "11", "71", "72", "74"]
    wanted = {f"64.{region}/{role}" for region in regions for role in role_names()}
    assert set(names) == {*wanted, "*/admin"}
    assert len(names) == len(set(names))


def test_every_group_is_a_grant_that_the_platform_knows(realm: dict[str, Any]) -> None:
    names = {group["name"] for group in realm["groups"]}
    assert {str(grant) for grant in grants_from(sorted(names))} == names


def token(realm: dict[str, Any], client_id: str, key: RSAKey, member_of: list[str]) -> str:
    """Make a token with what the client's mappers would put into it."""
    (client,) = [one for one in realm["clients"] if one["clientId"] == client_id]
    groups = mappers(client)["oidc-group-membership-mapper"]
    audience = mappers(client)["oidc-audience-mapper"]
    prefix = "/" if groups["full.path"] == "true" else ""
    claims = {
        "iss": ISSUER,
        "sub": "2f0c8f2e-5b1e-4b0a-9c55-0c9a6f1f7d10",
        "aud": [audience["included.custom.audience"]],
        "azp": client_id,
        "exp": int(time.time()) + realm["accessTokenLifespan"],
        groups["claim.name"]: [prefix + name for name in member_of],
    }
    return jwt.encode({"alg": realm["defaultSignatureAlgorithm"], "kid": "k1"}, claims, key)


@pytest.mark.parametrize("client_id", ["console", "service-template"])
async def test_a_token_of_this_form_gives_its_grants(realm: dict[str, Any], client_id: str) -> None:
    key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}, private=True)
    known = IssuerKeys(ISSUER, _known={"k1": key}, _fetched=time.monotonic())
    verifier = Verifier(known, audience="smartcity")
    member_of = ["64.01/operator", "64.09/viewer"]
    principal = await verifier.principal(f"Bearer {token(realm, client_id, key, member_of)}")
    assert sorted(str(grant) for grant in principal.grants) == member_of
    assert principal.grant_for("inventory.points.write", "64.01") is not None
    assert principal.grant_for("inventory.points.write", "64.09") is None


def test_the_console_proves_its_codes_and_holds_no_secret(realm: dict[str, Any]) -> None:
    clients = {client["clientId"]: client for client in realm["clients"]}
    console = clients["console"]
    assert console["publicClient"] is True
    assert console["attributes"]["pkce.code.challenge.method"] == "S256"
    assert console["redirectUris"] == [f"{CONSOLE}/*"]
    flows = ("implicitFlowEnabled", "directAccessGrantsEnabled")
    assert [client[flow] for client in realm["clients"] for flow in flows] == [False] * 4
    assert clients["service-template"]["enabled"] is False
    # Keycloak's own scope, which puts the subject into the token; there are no others to hide it.
    assert all("basic" in client["defaultClientScopes"] for client in realm["clients"])
    assert "clientScopes" not in realm


def test_nothing_secret_and_nobody_is_in_the_realm(realm: dict[str, Any]) -> None:
    text = json.dumps(realm)
    assert "users" not in realm
    assert [word for word in ('"secret"', '"credentials"', '"privateKey"') if word in text] == []
    assert realm["bruteForceProtected"] is True
    assert "length(12)" in realm["passwordPolicy"]
    assert realm["sslRequired"] == "all"


def test_groups_of_a_region_that_joins_change_nothing_that_is_there(
    run_script: Run, ten: Path, realm: dict[str, Any]
) -> None:
    made = json.loads(run_script("keycloak/realm.py", "groups", ten).stdout)
    assert made == {"ifResourceExists": "SKIP", "groups": realm["groups"]}


@pytest.mark.parametrize("address", ["", "http://smartcity.example", "https://a b"])
def test_a_wrong_address_is_refused(run_script: Run, ten: Path, address: str) -> None:
    refused = run_script("keycloak/realm.py", "import", ten, address)
    assert refused.returncode == 2
    assert repr(address) in refused.stderr
