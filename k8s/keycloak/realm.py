"""The realm of the platform: `realm.json` with a group for each role in each region.

`realm.py import ENVIRONMENT CONSOLE_URL` prints the object that the Keycloak operator makes the
realm from, once. `realm.py groups ENVIRONMENT` prints the groups alone, for the console's partial
import into a realm that is there: a region that joins later.

A group's name is the grant itself, slash included, and all stand at the top: so the claim needs no
path. The mappers stand in the clients: a realm that is imported with scopes of its own gets none of
Keycloak's, and without its `basic` no token has a subject.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from common.auth.grants import EVERYWHERE, PLATFORM_ROLE, role_names

sys.path.insert(0, str(Path(__file__).parents[1]))
from environment import Environment, read_environment

REALM = Path(__file__).with_name("realm.json")
CONSOLE = "CONSOLE_URL"
URL = re.compile(r"https://[a-z0-9.-]+(:\d+)?")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("action", choices=["import", "groups"])
    parser.add_argument("environment", type=Path, help="as k8s/environments/paser.toml")
    parser.add_argument("console", nargs="?", default="", help="as https://smartcity.example.go.id")
    options = parser.parse_args()
    environment = read_environment(options.environment)
    if options.action == "groups":
        json.dump({"ifResourceExists": "SKIP", "groups": groups(environment)}, sys.stdout, indent=2)
        return
    if not URL.fullmatch(options.console):
        parser.error(
            f"the console's address must be https://HOST or https://HOST:PORT, "
            f"not {options.console!r}"
        )
    yaml.safe_dump(imported(environment, options.console), sys.stdout, sort_keys=False)


def imported(environment: Environment, console: str) -> dict[str, Any]:
    """Return the object that the operator imports once; it changes no realm that is there."""
    text = REALM.read_text(encoding="utf-8").replace(CONSOLE, console)
    return {
        "apiVersion": "k8s.keycloak.org/v2alpha1",
        "kind": "KeycloakRealmImport",
        "metadata": {"name": "smartcity"},
        "spec": {
            "keycloakCRName": "keycloak",
            "realm": json.loads(text) | {"groups": groups(environment)},
        },
    }


def groups(environment: Environment) -> list[dict[str, Any]]:
    """Return a group for each grant that there may be."""
    grants = [f"{region}/{role}" for region in environment.regions for role in role_names()]
    return [{"name": grant} for grant in [f"{EVERYWHERE}/{PLATFORM_ROLE}", *grants]]


if __name__ == "__main__":
    main()
