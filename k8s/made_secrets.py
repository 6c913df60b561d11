"""Make the Secrets that the installation needs and does not have; those that exist stay.

`made_secrets.py ENVIRONMENT` asks kubectl's context. Passwords, seeds and keys are made here and
go to kubectl by its standard input: no command line shows them.
"""

import argparse
import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bus_users import new_seed, users
from environment import Environment, read_environment

PLATFORM, KEYCLOAK, OBSERVABILITY = "smartcity", "keycloak", "observability"
SERVICES = tuple(
    sorted(path.parent.name for path in Path(__file__).parents[1].glob("services/*/migrations"))
)
KUBECTL = shutil.which("kubectl") or "kubectl"
KEY_BYTES = 32
BASIC_AUTH = "kubernetes.io/basic-auth"
RELOADED = {"cnpg.io/reload": "true"}
"""CloudNativePG sets a role's password anew when such a Secret changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A Secret to be."""

    name: str
    data: Mapping[str, str]
    namespaces: tuple[str, ...] = (PLATFORM,)
    kind: str = "Opaque"

    def manifest(self, namespace: str) -> str:
        """Return it as kubectl takes it."""
        labels = RELOADED if self.kind == BASIC_AUTH else {}
        place = {"name": self.name, "namespace": namespace, "labels": labels}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": place,
                "type": self.kind,
                "stringData": self.data,
            }
        )


def wanted(environment: Environment) -> Iterator[Secret]:
    """Yield every Secret of the installation, with fresh contents."""
    for service in SERVICES:
        yield _database_role(f"{service}_owner")
        yield _database_role(service)
    yield _database_role("keycloak_owner", (PLATFORM, KEYCLOAK))
    for user in users(environment):
        yield Secret(name=f"nats-{user}", data={"seed": new_seed().decode()})
    key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    keyring = json.dumps({"active": "k1", "keys": {"k1": key}})
    yield Secret(name="contact-keys", data={"contact_keys.json": keyring})
    grafana = {"username": "admin", "password": secrets.token_urlsafe(KEY_BYTES)}
    yield Secret(name="grafana-admin", data=grafana, namespaces=(OBSERVABILITY,))


def _database_role(role: str, namespaces: tuple[str, ...] = (PLATFORM,)) -> Secret:
    return Secret(
        name=f"postgres-{role.replace('_', '-')}",
        data={"username": role, "password": secrets.token_urlsafe(KEY_BYTES)},
        namespaces=namespaces,
        kind=BASIC_AUTH,
    )


def make(secret: Secret) -> None:
    """Create the Secret in the namespaces that lack it, the same in all of them."""
    found = [_read(secret.name, namespace) for namespace in secret.namespaces]
    known = next((data for data in found if data is not None), None)
    given = secret if known is None else replace(secret, data=known)
    for namespace, data in zip(secret.namespaces, found, strict=True):
        if data is None:
            _kubectl("create", "-f", "-", given=given.manifest(namespace))
            sys.stdout.write(f"made Secret {namespace}/{secret.name}\n")


def _read(name: str, namespace: str) -> dict[str, str] | None:
    text = _kubectl("get", "secret", name, "-n", namespace, "--ignore-not-found", "-o", "json")
    if not text.strip():
        return None
    data: dict[str, str] = json.loads(text).get("data", {})
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def _kubectl(*words: str, given: str | None = None) -> str:
    done = subprocess.run(
        [KUBECTL, *words], input=given, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"kubectl {words[0]} failed: {done.stderr.strip()}")
    return done.stdout


def main() -> None:
    """Make what is missing, or write the bus's seeds into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("environment", type=Path, help="as k8s/environments/paser.toml")
    parser.add_argument("--seeds", type=Path, help="also write the bus's seeds there (mode 600)")
    options = parser.parse_args()
    environment = read_environment(options.environment)
    for secret in wanted(environment):
        make(secret)
    if options.seeds:
        _write_seeds(environment, options.seeds)


def _write_seeds(environment: Environment, folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for user in users(environment):
        data = _read(f"nats-{user}", PLATFORM) or {}
        path = folder / f"{user}.nk"
        path.touch(mode=0o600)
        path.write_text(data["seed"], encoding="utf-8")


if __name__ == "__main__":
    main()
