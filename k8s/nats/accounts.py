"""The accounts of the bus: the platform's, the servers' own, and one for each agency.

`accounts.py users ENVIRONMENT` names the users, `accounts.py seeds ENVIRONMENT FOLDER` makes the
nkey seed (`<user>.nk`) of each that the folder lacks, and `accounts.py values ENVIRONMENT FOLDER`
prints values for the nats chart. Values hold public keys only; seeds never leave the folder.

An agency reads the events of its region as they come, and does nothing else.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nkeys
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
from bus_users import PLATFORM_USER, SYSTEM_USER, new_seed, users
from environment import Environment, read_environment

OWNER_ONLY = 0o600
PLATFORM, SYSTEM = "PLATFORM", "SYS"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("action", choices=["users", "seeds", "values"])
    parser.add_argument("environment", type=Path, help="as k8s/environments/paser.toml")
    parser.add_argument("folder", type=Path, nargs="?", help="where the seeds are")
    options = parser.parse_args()
    environment = read_environment(options.environment)
    if options.action == "users":
        sys.stdout.write("".join(f"{user}\n" for user in users(environment)))
    elif options.folder is None:
        parser.error(f"{options.action} needs the folder of the seeds")
    elif options.action == "seeds":
        make_seeds(environment, options.folder)
    else:
        keys = {user: public_key(options.folder, user) for user in users(environment)}
        yaml.safe_dump(values(environment, keys), sys.stdout, sort_keys=False)


def make_seeds(environment: Environment, folder: Path) -> None:
    """Make the seeds that are missing; those that are there stay as they are."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for user in users(environment):
        path = folder / f"{user}.nk"
        if path.exists():
            continue
        with open(path, "wb", opener=_private) as file:
            file.write(new_seed())
        sys.stderr.write(f"made the seed of {user}\n")


def public_key(folder: Path, user: str) -> str:
    """Return the public key of the user's seed."""
    seed = (folder / f"{user}.nk").read_bytes().strip()
    return bytes(nkeys.from_seed(bytearray(seed)).public_key).decode()


def values(environment: Environment, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return values for the nats chart with the environment's accounts."""
    readers: dict[str, list[str]] = defaultdict(list)
    for agency, region in environment.agencies.items():
        readers[region].append(agency)
    platform = {
        "jetstream": True,
        "users": [{"nkey": keys[PLATFORM_USER]}],
        # Only the accounts that are named may import a region's events.
        "exports": [
            {"stream": subjects(region), "accounts": accounts}
            for region, accounts in readers.items()
        ],
    }
    agencies = {
        agency: _agency(keys[agency], subjects(region))
        for agency, region in environment.agencies.items()
    }
    own = {SYSTEM: {"users": [{"nkey": keys[SYSTEM_USER]}]}, PLATFORM: platform}
    return {"config": {"merge": {"system_account": SYSTEM, "accounts": own | agencies}}}


def subjects(region: str) -> str:
    """Return the subjects of a region's events: `smartcity.6401.>` of 64.01."""
    return f"smartcity.{region.replace('.', '')}.>"


def _agency(key: str, readable: str) -> dict[str, Any]:
    may = {"publish": {"deny": [">"]}, "subscribe": {"allow": [readable]}}
    return {
        "users": [{"nkey": key, "permissions": may}],
        "imports": [{"stream": {"account": PLATFORM, "subject": readable}}],
    }


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, OWNER_ONLY)


if __name__ == "__main__":
    main()
