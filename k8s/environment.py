"""The regions and agencies of one installation, read from `k8s/environments/<name>.toml`."""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REGION = re.compile(r"\d{2}\.\d{2}", re.ASCII)
ACCOUNT = re.compile(r"[a-z][a-z0-9-]{1,40}", re.ASCII)
RESERVED = ("platform", "sys")
"""The bus's own users."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Who is on the platform."""

    regions: tuple[str, ...]
    """Codes, as `64.01`."""
    agencies: Mapping[str, str]
    """The region that an account of the bus may read, by the account's name."""


def read_environment(path: Path) -> Environment:
    """Read the file, or exit with 2 after saying everything that is wrong with it."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        _refuse([f"{path}: {error}"])
    problems = [f"{path}: {problem}" for problem in _problems(given)]
    if problems:
        _refuse(problems)
    return Environment(tuple(given["regions"]), given.get("agencies", {}))


def _problems(given: Mapping[str, Any]) -> Iterator[str]:
    regions = given.get("regions", [])
    if not isinstance(regions, list) or not regions:
        yield "regions must be a list of codes as 64.01, one at least"
        regions = []
    for region in regions:
        if not isinstance(region, str) or not REGION.fullmatch(region):
            yield f"regions: {region!r} must be a code as 64.01"
    if len(set(map(str, regions))) < len(regions):
        yield "regions: each must be named once"
    for unknown in given.keys() - {"regions", "agencies"}:
        yield f"{unknown} is not known; there are regions and agencies"
    agencies = given.get("agencies", {})
    if not isinstance(agencies, dict):
        yield "agencies must be a table: account = region"
        return
    for account, region in agencies.items():
        if not ACCOUNT.fullmatch(account) or account in RESERVED:
            yield f"agencies: {account!r} must be a name as diskominfo-paser, not {RESERVED}"
        if region not in regions:
            yield f"agencies: {account} reads {region!r}, which is none of the regions"


def _refuse(problems: list[str]) -> None:
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    sys.exit(2)
