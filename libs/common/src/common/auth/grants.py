"""Grants, and what the roles in them allow: `roles.toml` is the one place that says."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROLES = Path(__file__).with_name("roles.toml")
GRANT = re.compile(r"(?P<region>\d{2}\.\d{2}|\*)/(?P<role>[a-z_]+)", re.ASCII)
EVERYWHERE = "*"
PLATFORM_ROLE = "admin"
"""The only role that may be granted everywhere."""
MOST_GRANTS = 1000


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in a region."""

    region: str
    """A code, as `64.01`, or `*` for everywhere."""
    role: str

    def __str__(self) -> str:
        """Return the grant as a token holds it."""
        return f"{self.region}/{self.role}"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller."""

    subject: str
    grants: frozenset[Grant]
    expires: float
    """When the token ends, in seconds since 1970."""

    def grant_for(self, permission: str, region: str) -> Grant | None:
        """Return the grant that gives a permission in a region, if there is one.

        With `region` "" any region will do: the call names none.
        """
        for grant in sorted(self.grants, key=str):
            fits = not region or grant.region in (region, EVERYWHERE)
            if fits and allows(grant.role, permission):
                return grant
        return None

    def regions(self) -> str:
        """Return the regions of all grants, joined by commas; `*` for everywhere."""
        codes = sorted({grant.region for grant in self.grants})
        return EVERYWHERE if EVERYWHERE in codes else ",".join(codes)


def grants_from(claim: object) -> frozenset[Grant]:
    """Return the grants in a token's claim; what is none of ours is no grant."""
    given = claim if isinstance(claim, list) else []
    return frozenset(_grants(text for text in given[:MOST_GRANTS] if isinstance(text, str)))


def allows(role: str, permission: str) -> bool:
    """Tell whether a role holds a permission."""
    return any(_fits(pattern, permission) for pattern in _roles()["roles"].get(role, ()))


def role_names() -> list[str]:
    """Return the names of all roles."""
    return list(_roles()["roles"])


def everyone_may(permission: str) -> bool:
    """Tell whether any authenticated caller may, in any region."""
    return permission in _roles()["everyone"]


def anyone_may(permission: str) -> bool:
    """Tell whether callers without a token may, in any region."""
    return permission in _roles()["anyone"]


def is_signed(permission: str) -> bool:
    """Tell whether a signature in the request stands for a token."""
    return permission in _roles()["signed"]


def _grants(texts: Iterable[str]) -> Iterable[Grant]:
    for text in texts:
        found = GRANT.fullmatch(text)
        if found is None or found["role"] not in _roles()["roles"]:
            continue
        if found["region"] != EVERYWHERE or found["role"] == PLATFORM_ROLE:
            yield Grant(found["region"], found["role"])


@cache
def _fits(pattern: str, permission: str) -> bool:
    if pattern == EVERYWHERE:
        return True
    parts, wanted = pattern.split("."), permission.split(".")
    pairs = zip(parts, wanted, strict=False)
    return len(parts) == len(wanted) and all(p in (EVERYWHERE, w) for p, w in pairs)


@cache
def _roles() -> dict[str, Any]:
    return tomllib.loads(ROLES.read_text(encoding="utf-8"))
