"""Who is let in to which method, and which regions they see."""

from dataclasses import dataclass
from typing import Any

import pytest
from common.auth import grants
from common.auth.keys import IssuerKeys
from common.auth.permissions import PermissionDenied, permission_of
from common.auth.tokens import Unauthenticated, Verifier
from common.caller import ANONYMOUS, Caller, current_caller
from common.rpc.identity import Identity
from smartcity.monitoring.v1 import monitoring_service_pb2

SERVICE = monitoring_service_pb2.DESCRIPTOR.services_by_name["MonitoringService"].full_name
FOR_ANYONE = f"/{SERVICE}/SubmitBatch"
FOR_SOME = f"/{SERVICE}/GetAgent"
AGENT = "regions/64.01/agents/A"


@dataclass
class Call:
    """A call's context, as far as identity looks at it."""

    metadata: tuple[tuple[str, str], ...] = ()

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self.metadata


@pytest.fixture
def verifier(issuer: Any) -> Verifier:
    return Verifier(IssuerKeys(issuer.url), "smartcity")


def bearing(*values: str) -> Call:
    return Call(tuple(("authorization", value) for value in values))


async def admitted(method: str, verifier: Verifier | None, call: Call, name: str = AGENT) -> Caller:
    await Identity(method, verifier).admit(name, call)
    return current_caller()


async def test_anyone_is_let_in_where_anyone_may_and_sees_the_region_of_the_name(
    verifier: Verifier,
) -> None:
    caller = await admitted(FOR_ANYONE, verifier, Call())
    assert (caller.subject, caller.regions, caller.grant) == ("stranger", "64.01", "")


@pytest.mark.parametrize("name", ["regions/*/agents/A", "regions/64.01,64.09/agents/A", "x", ""])
async def test_a_name_that_is_none_shows_anyone_no_region(verifier: Verifier, name: str) -> None:
    assert (await admitted(FOR_ANYONE, verifier, Call(), name)).regions == ""


async def test_without_a_token_the_other_methods_stay_closed(verifier: Verifier) -> None:
    with pytest.raises(Unauthenticated):
        await admitted(FOR_SOME, verifier, Call())


async def test_a_bad_token_is_refused_where_none_is_needed(issuer: Any, verifier: Verifier) -> None:
    good = f"Bearer {issuer.token()}"
    for call in (
        bearing(""),
        bearing("Basic YTpi"),
        bearing("Bearer x"),
        bearing(f"Bearer {issuer.token(aud='other')}"),
        bearing(good, good),
    ):
        with pytest.raises(Unauthenticated):
            await admitted(FOR_ANYONE, verifier, call)


async def test_a_token_of_another_region_sees_what_anyone_sees(
    issuer: Any, verifier: Verifier
) -> None:
    call = bearing(f"Bearer {issuer.token('64.09/viewer')}")
    caller = await admitted(FOR_ANYONE, verifier, call)
    assert (caller.subject, caller.regions) == ("budi", "64.01")
    with pytest.raises(PermissionDenied):
        await admitted(FOR_SOME, verifier, call)


async def test_where_identity_is_off_everybody_is_anonymous() -> None:
    assert await admitted(FOR_ANYONE, None, Call()) == ANONYMOUS


def test_only_what_proves_itself_or_is_public_is_for_anyone() -> None:
    methods = monitoring_service_pb2.DESCRIPTOR.services_by_name["MonitoringService"].methods
    free = {
        method.name
        for method in methods
        if grants.anyone_may(permission_of(f"/{SERVICE}/{method.name}"))
    }
    assert free == {"EnrolAgent", "SubmitBatch", "ListPublicStatuses"}
    signed = {name for name in free if grants.is_signed(permission_of(f"/{SERVICE}/{name}"))}
    assert signed == {"SubmitBatch"}
