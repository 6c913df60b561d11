"""The local issuer: a real OpenID Connect provider for this machine, and nowhere else."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from common.auth.grants import Grant
from common.auth.keys import IssuerKeys
from common.auth.tokens import Unauthenticated, Verifier
from devstack.errors import ProductionSetting, TokenRefused
from devstack.issuer.settings import IssuerSettings
from devstack.keys import client_secret
from devstack.services import issuer
from devstack.settings import StackSettings
from devstack.stack import Stack
from devstack.testing import open_folder
from joserfc import jwt
from joserfc.jwk import KeySet
from pydantic import ValidationError

BACK = "http://localhost:3000/signed-in"
ASKED = {
    "response_type": "code",
    "client_id": "console",
    "redirect_uri": BACK,
    "scope": "openid",
    "code_challenge": "x" * 43,
    "code_challenge_method": "S256",
}
VERIFIER = "a-verifier-that-is-at-least-43-characters-long-x"


@pytest.fixture(scope="module")
async def alone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Give a stack of the issuer alone."""
    folder = open_folder("issuer-", tmp_path_factory.mktemp("stacks"))
    settings = StackSettings.model_validate({"port": 0, "state_folder": folder, "durable": False})
    async with Stack(settings, services=(issuer,)) as running:
        yield running


def verifier(stack: Stack) -> Verifier:
    return Verifier(IssuerKeys(stack.place.issuer), "smartcity")


async def signed_in(stack: Stack, **form: str) -> httpx.Response:
    """Ask to sign in and send the form, as a page of the console would."""
    asked = ASKED | {"code_challenge": create_s256_code_challenge(VERIFIER), "nonce": "n-1"}
    async with httpx.AsyncClient(base_url=stack.place.issuer) as browser:
        page = await browser.get("/authorize", params=asked)
        assert page.status_code == 200
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        return await browser.post("/authorize", params=asked, data=form)


async def exchanged(
    stack: Stack, answer: httpx.Response, code_verifier: str = VERIFIER
) -> httpx.Response:
    """Exchange the code that the browser was sent back with."""
    assert answer.status_code == 302
    back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == BACK
    (code,) = parse_qs(back.query)["code"]
    form = {"grant_type": "authorization_code", "client_id": "console", "redirect_uri": BACK}
    async with httpx.AsyncClient() as page:
        return await page.post(
            f"{stack.place.issuer}/token",
            data=form | {"code": code, "code_verifier": code_verifier},
        )


async def test_a_browser_signs_in_by_code_with_pkce(alone: Stack) -> None:
    back = await signed_in(alone, name="siti", grants="64.01/operator 64.09/viewer")
    answer = await exchanged(alone, back)
    assert answer.headers["access-control-allow-origin"] == "*"
    token = answer.json()
    principal = await verifier(alone).principal(f"Bearer {token['access_token']}")
    assert principal.subject == "siti"
    assert principal.grants == {Grant("64.01", "operator"), Grant("64.09", "viewer")}
    with pytest.raises(Unauthenticated, match="another audience"):
        await verifier(alone).principal(f"Bearer {token['id_token']}")
    async with httpx.AsyncClient() as page:
        keys = KeySet.import_key_set((await page.get(f"{alone.place.issuer}/keys")).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=["ES256"]).claims
    assert (claims["aud"], claims["sub"], claims["nonce"]) == (["console"], "siti", "n-1")
    assert (await exchanged(alone, back)).status_code == 400  # a code is good once


async def test_a_code_is_worth_nothing_without_its_verifier(alone: Stack) -> None:
    back = await signed_in(alone, name="siti", grants="64.01/viewer")
    assert (await exchanged(alone, back, VERIFIER[::-1])).status_code == 400


async def test_the_form_says_what_is_no_grant(alone: Stack) -> None:
    answer = await signed_in(alone, name="siti", grants="*/operator")
    assert answer.status_code == 400
    assert "*/operator" in answer.text
    for name in (" ", "a\x00b", "a\nb", "x" * 256):
        assert (await signed_in(alone, name=name, grants="")).status_code == 400


async def test_a_form_of_another_page_is_refused(alone: Stack) -> None:
    headers = {"origin": "https://evil.example"}
    async with httpx.AsyncClient(base_url=alone.place.issuer, headers=headers) as browser:
        answer = await browser.post("/authorize", params=ASKED, data={"name": "x"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "http://localhost.evil.example/"},
        {"code_challenge": ""},
        {"redirect_uri": "http://evil.example\\@127.0.0.1/"},
        {"redirect_uri": "http://user@127.0.0.1/"},
        {"code_challenge_method": "plain"},
        {"client_id": "local"},
        {"client_id": "nobody"},
        {"response_type": "token"},
    ],
)
async def test_a_wrong_request_to_sign_in_gets_no_code(
    alone: Stack, change: dict[str, str]
) -> None:
    async with httpx.AsyncClient(base_url=alone.place.issuer) as browser:
        for answer in (
            await browser.get("/authorize", params=ASKED | change),
            await browser.post("/authorize", params=ASKED | change, data={"name": "x"}),
        ):
            assert answer.status_code in (302, 400, 401), answer.text
            location = urlsplit(answer.headers.get("location", ""))
            assert "code" not in parse_qs(location.query)
            assert location.hostname in (None, "localhost")


async def test_a_program_gets_the_grants_that_it_asks_for_and_no_others(alone: Stack) -> None:
    token = await alone.token("64.01/agent", "*/admin")
    principal = await verifier(alone).principal(f"Bearer {token}")
    assert principal.grants == {Grant("64.01", "agent"), Grant("*", "admin")}
    for wrong in ("*/operator", "64.01/king", "64.01/../64.09/admin", ""):
        with pytest.raises(TokenRefused, match="the roles are viewer, operator"):
            await alone.token(wrong)


async def test_a_wrong_secret_and_another_name_of_this_machine_are_refused(alone: Stack) -> None:
    form = {"grant_type": "client_credentials", "scope": "64.01/viewer"}
    url = f"{alone.place.issuer}/token"
    async with httpx.AsyncClient(auth=("local", "guess")) as client:
        assert (await client.post(url, data=form)).status_code == 401
    secret = client_secret(alone.state.secrets)
    async with httpx.AsyncClient(auth=("local", secret)) as client:
        rebound = await client.post(url, data=form, headers={"host": "evil.example"})
        assert rebound.status_code == 421
        assert (await client.post(url, data=form)).status_code == 200


@pytest.mark.parametrize(
    "name", ["KUBERNETES_SERVICE_HOST", "SMARTCITY_OIDC_ISSUER", "smartcity_oidc_issuer"]
)
async def test_it_does_not_start_beside_a_production_setting(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "https://keycloak.example")
    folder = open_folder("refused-", tmp_path_factory.mktemp("stacks"))
    settings = StackSettings.model_validate({"port": 0, "state_folder": folder, "durable": False})
    with pytest.raises(ProductionSetting, match=name):
        async with Stack(settings):
            pass
    assert not (folder / "postgres").exists()


def test_it_listens_on_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTCITY_ISSUER_SECRETS_FOLDER", "/nowhere")
    monkeypatch.setenv("SMARTCITY_ISSUER_ADDRESS", "0.0.0.0:8081")
    with pytest.raises(ValidationError, match="loopback"):
        IssuerSettings()  # type: ignore[call-arg]
