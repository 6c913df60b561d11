"""Which tokens are believed, and how often the issuer is asked."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from common.auth.grants import Grant
from common.auth.keys import FIRST_AGAIN_S, IssuerAway, IssuerKeys
from common.auth.tokens import Unauthenticated, Verifier
from joserfc.jwk import RSAKey

HOUR = 3600


@pytest.fixture
def verifier(issuer: Any) -> Verifier:
    return Verifier(IssuerKeys(issuer.url), "smartcity")


async def refused(verifier: Verifier, token: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.principal(f"Bearer {token}")
    return refusal.value.message


@pytest.mark.parametrize("kind", ["RS256", "ES256"])
async def test_a_token_of_the_issuer_is_believed(
    issuer: Any, verifier: Verifier, kind: str
) -> None:
    key = issuer.rsa if kind == "RS256" else issuer.ec
    principal = await verifier.principal("bearer " + issuer.token(key=key, alg=kind))
    assert principal.subject == "budi"
    assert principal.grants == {Grant("64.01", "operator")}


async def test_no_token_and_another_scheme_are_refused(verifier: Verifier) -> None:
    for header in ("", "Basic YTpi", "Bearer", "Bearer "):
        with pytest.raises(Unauthenticated):
            await verifier.principal(header)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exp": int(time.time()) - 2 * HOUR}, "expired"),
        ({"exp": None}, "expired"),
        ({"exp": "tomorrow"}, "expired"),
        ({"nbf": int(time.time()) + HOUR}, "not valid yet"),
        ({"iat": int(time.time()) + HOUR}, "not valid yet"),
        ({"iss": "https://elsewhere"}, "another issuer"),
        ({"aud": "other"}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"sub": ""}, "no subject"),
        ({"sub": 7}, "no subject"),
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    issuer: Any, verifier: Verifier, changes: dict[str, Any], said: str
) -> None:
    assert said in await refused(verifier, issuer.token(**changes))


async def test_a_clock_that_differs_by_less_than_a_minute_is_forgiven(
    issuer: Any, verifier: Verifier
) -> None:
    now = int(time.time())
    for changes in ({"exp": now - 30}, {"nbf": now + 30}):
        await verifier.principal("Bearer " + issuer.token(**changes))


async def test_forged_tokens_are_refused(issuer: Any, verifier: Verifier) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": "rsa-1"})
    good = issuer.token()
    head, claims, signature = good.split(".")
    _, other_claims, _ = issuer.token("64.01/admin").split(".")
    forged = [
        issuer.unsigned(),
        issuer.unsigned("None"),
        issuer.signed_with_the_public_key(),
        issuer.token(key=stranger),
        f"{head}.{other_claims}.{signature}",
        f"{head}.{claims}.",
        f"{head}.{claims}",
        "a.b.c",
        "\udcff",
        "x" * 100_000,
    ]
    for token in forged:
        await refused(verifier, token)
    await verifier.principal(f"Bearer {good}")


async def test_a_token_too_long_is_not_even_looked_at(issuer: Any, verifier: Verifier) -> None:
    grants = [f"64.{n % 100:02}/viewer" for n in range(10_000)]
    assert "longer than" in await refused(verifier, issuer.token(*grants))
    assert issuer.fetches == 0


async def test_what_is_no_grant_of_ours_grants_nothing(issuer: Any, verifier: Verifier) -> None:
    odd = [
        "*/operator",
        "64.01/../64.09/admin",
        "64.01/king",
        "64.01/admin\n",
        "*",
        "",
        "64.1/admin",
    ]
    token = issuer.token(groups=[*odd, 7, None, "*/admin"])
    principal = await verifier.principal(f"Bearer {token}")
    assert principal.grants == {Grant("*", "admin")}
    for claim in ("64.01/admin", {"64.01/admin": 1}, None):
        principal = await verifier.principal("Bearer " + issuer.token(groups=claim))
        assert principal.grants == frozenset()


async def test_a_new_key_is_fetched_and_unknown_ones_cause_no_stampede(
    issuer: Any, verifier: Verifier
) -> None:
    await asyncio.gather(*(verifier.principal("Bearer " + issuer.token()) for _ in range(20)))
    assert issuer.fetches == 1
    for number in range(50):
        stranger = RSAKey.generate_key(2048, {"kid": f"nobody-{number % 3}"})
        await refused(verifier, issuer.token(key=stranger))
    assert issuer.fetches == 1  # nobody can make us fetch again so soon
    fresh = RSAKey.generate_key(2048, {"kid": "rsa-2", "use": "sig"})
    issuer.published.append(fresh)
    verifier.keys._tried -= 60  # noqa: SLF001 - a minute later
    await verifier.principal("Bearer " + issuer.token(key=fresh))
    assert issuer.fetches == 2


async def test_a_caller_who_gives_up_leaves_the_fetch_to_the_others(
    issuer: Any, verifier: Verifier
) -> None:
    hurried = asyncio.create_task(verifier.principal("Bearer " + issuer.token()))
    for _ in range(2):
        await asyncio.sleep(0)  # it goes as far as to wait for the issuer
    hurried.cancel()
    assert (await verifier.principal("Bearer " + issuer.token())).subject == "budi"
    assert hurried.cancelled()
    assert issuer.fetches == 1


async def test_an_issuer_that_had_no_key_yet_is_asked_again_soon(
    issuer: Any, verifier: Verifier
) -> None:
    published = list(issuer.published)
    issuer.published.clear()
    for _ in range(2):
        with pytest.raises(IssuerAway):
            await verifier.principal("Bearer " + issuer.token())
    assert issuer.fetches == 1
    issuer.published.extend(published)
    verifier.keys._tried -= FIRST_AGAIN_S  # noqa: SLF001 - that much later
    assert (await verifier.principal("Bearer " + issuer.token())).subject == "budi"


async def test_a_token_is_verified_once_and_forgotten_when_it_ends(issuer: Any) -> None:
    now = [time.time()]
    verifier = Verifier(IssuerKeys(issuer.url), "smartcity", clock=lambda: now[0])
    token = issuer.token()
    first = await verifier.principal(f"Bearer {token}")
    issuer.published.clear()
    assert await verifier.principal(f"Bearer {token}") is first
    now[0] += HOUR + 61
    assert "expired" in await refused(verifier, token)


async def test_an_issuer_that_is_away_is_told_and_known_keys_go_on(issuer: Any) -> None:
    nobody = Verifier(IssuerKeys("http://127.0.0.1:9"), "smartcity")
    with pytest.raises(IssuerAway):
        await nobody.principal("Bearer " + issuer.token())


async def test_an_issuer_that_says_it_is_another_is_not_believed(issuer: Any) -> None:
    posing = Verifier(IssuerKeys(issuer.url + "/"), "smartcity")
    with pytest.raises(IssuerAway):
        await posing.principal("Bearer " + issuer.token())


async def test_an_issuer_of_an_authority_of_its_own_is_believed_when_the_file_names_it(
    tls_issuer: Any, tmp_path: Path
) -> None:
    token = f"Bearer {tls_issuer.token()}"
    trusting = Verifier(IssuerKeys(tls_issuer.url, tmp_path / "ca.crt"), "smartcity")
    assert (await trusting.principal(token)).subject == "budi"
    for nobody in (None, tmp_path / "missing.crt"):
        with pytest.raises(IssuerAway):
            await Verifier(IssuerKeys(tls_issuer.url, nobody), "smartcity").principal(token)
