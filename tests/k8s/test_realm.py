"""The realm: a group for each grant, and tokens that the platform accepts. No Keycloak runs here.

What its mappers put into a token is written down from their documentation: a group's own name with
`full.path` off, and the custom audience.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
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

ROOT = Path(__file__).parents[2]
BASH = shutil.which("bash") or "bash"
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


@pytest.mark.parametrize("client_id", ["console", "terminal", "service-template"])
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
    assert [client[flow] for client in realm["clients"] for flow in flows] == [False] * 6
    assert clients["service-template"]["enabled"] is False
    # Keycloak's own scope, which puts the subject into the token; there are no others to hide it.
    assert all("basic" in client["defaultClientScopes"] for client in realm["clients"])
    assert "clientScopes" not in realm


def test_a_terminal_gets_tokens_by_a_code_that_a_person_confirms_and_by_nothing_else(
    realm: dict[str, Any],
) -> None:
    (terminal,) = [client for client in realm["clients"] if client["clientId"] == "terminal"]
    assert terminal["publicClient"] is True
    flows = [value for key, value in terminal.items() if key.endswith("Enabled")]
    assert flows == [False] * 4
    assert terminal["attributes"] == {
        "oauth2.device.authorization.grant.enabled": "true",
        "pkce.code.challenge.method": "S256",
    }
    assert (terminal["redirectUris"], terminal["webOrigins"]) == ([], [])
    others = [client["attributes"] for client in realm["clients"] if "attributes" in client]
    device = [one for one in others if "oauth2.device.authorization.grant.enabled" in one]
    assert device == [terminal["attributes"]]


def test_the_documented_commands_prove_that_who_asked_is_who_gets_the_token(
    tmp_path: Path,
) -> None:
    text = (ROOT / "docs/operations.md").read_text()
    (block,) = re.findall(r"^```\n(realm=.+?)^```$", text, re.MULTILINE | re.DOTALL)
    told = tmp_path / "told"
    curl = tmp_path / "curl"
    curl.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{told}\n')
    curl.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    # As often as it takes for a challenge with both signs that are not for URLs.
    for _ in range(16):
        told.unlink(missing_ok=True)
        subprocess.run([BASH, "-euc", block], env=os.environ | {"PATH": path}, check=True)
        device, token = [asked(line) for line in told.read_text().splitlines()]
        the_pair_is_right(device, token)


def the_pair_is_right(device: dict[str, str], token: dict[str, str]) -> None:
    realm = "https://auth.smartcity.example.go.id/realms/smartcity/protocol/openid-connect"
    assert (device["at"], token["at"]) == (f"{realm}/auth/device", f"{realm}/token")
    digest = hashlib.sha256(token["code_verifier"].encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert (device["code_challenge_method"], device["code_challenge"]) == ("S256", challenge)
    assert 43 <= len(token["code_verifier"]) <= 128  # RFC 7636, 4.1
    assert {device["client_id"], token["client_id"]} == {"terminal"}
    assert token["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
    assert "device_code" in token


def asked(line: str) -> dict[str, str]:
    """Return where a line of curl goes, as `at`, and what it says there."""
    at, *words = line.split()
    assert set(words[::2]) == {"-d"}
    return {"at": at, **dict(word.split("=", 1) for word in words[1::2])}


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
