"""docker/compose.yaml: valid, hardened, without a secret, and told only what the processes read."""

import json
import re
import shutil
import ssl
import subprocess
import sys
import threading
import tomllib
from collections.abc import AsyncIterator, Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from common.auth.grants import grants_from
from common.events.settings import OperatorSettings
from compose_spec.models import ComposeSpecification
from devstack.databases import close_schema, create_database, create_roles
from devstack.postgres import EmbeddedPostgres, PostgresOptions
from devstack.testing import open_folder
from gateway.settings import GatewaySettings
from inventory.settings import InventorySettings, OwnerSettings
from inventory.settings import MigrationSettings as InventoryMigrationSettings
from monitoring.settings import MigrationSettings as MonitoringMigrationSettings
from monitoring.settings import MonitoringSettings, ProberSettings
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[2]


class InventoryOwner(InventoryMigrationSettings, OwnerSettings):
    """The service `inventory-migrate` loads data too."""


SETTINGS: dict[tuple[str, ...], type[BaseSettings]] = {
    ("common.events", "apply"): OperatorSettings,
    ("inventory",): InventorySettings,
    ("inventory", "migrate"): InventoryOwner,
    ("monitoring",): MonitoringSettings,
    ("monitoring", "migrate"): MonitoringMigrationSettings,
    ("monitoring", "probe"): ProberSettings,
    ("gateway",): GatewaySettings,
}
DATABASE_RIGHTS = """
    SELECT datname, datacl::text, pg_get_userbyid(datdba) FROM pg_database
    WHERE datname = $1
"""
SCHEMA_RIGHTS = "SELECT nspacl::text FROM pg_namespace WHERE nspname = 'public'"
ROLES = """
    SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin
    FROM pg_roles WHERE rolname LIKE $1 || '%' ORDER BY rolname
"""


def ours(compose: dict[str, Any]) -> dict[str, Any]:
    services = compose["services"].items()
    return {name: one for name, one in services if one["image"].startswith("smartcity/")}


def words(service: Any) -> tuple[str, ...]:
    return tuple(service.get("command", ["gateway"]))


def test_it_is_a_compose_file(compose: dict[str, Any]) -> None:
    without_own = {name: part for name, part in compose.items() if not name.startswith("x-")}
    ComposeSpecification.model_validate(without_own, extra="forbid")


def test_each_setting_is_one_that_its_process_reads(
    compose: dict[str, Any], secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {
        f"/run/secrets/{n}": secrets / Path(s["file"]).name for n, s in compose["secrets"].items()
    }
    for service in ours(compose).values():
        kind, told = SETTINGS[words(service)], service["environment"]
        known = {f"SMARTCITY_{field.upper()}" for field in kind.model_fields}
        assert set(told) <= known
        with monkeypatch.context() as environment:
            for name, value in told.items():
                environment.setenv(name, str(places.get(value, value)))
            kind()


def test_each_image_of_ours_is_built_by_one_service_and_never_pulled(
    compose: dict[str, Any],
) -> None:
    mine = ours(compose).values()
    builders = [service for service in mine if "build" in service]
    assert sorted(one["image"] for one in builders) == sorted({one["image"] for one in mine})
    for service in builders:
        assert service["image"].startswith(f"smartcity/{service['build']['target']}:")
    assert {service.get("pull_policy") for service in mine} == {"never"}


def test_each_way_to_run_is_there(compose: dict[str, Any]) -> None:
    assert {words(service) for service in ours(compose).values()} == set(SETTINGS)


def test_no_secret_stands_in_it(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for setting, value in service.get("environment", {}).items():
            secret = any(word in setting for word in ("PASSWORD", "SECRET", "SEED", "KEYS"))
            assert not secret or str(value).startswith("/run/secrets/"), (name, setting)
            assert (
                "@" not in str(value) or ":" not in str(value).partition("//")[2].partition("@")[0]
            )
    for secret in compose["secrets"].values():
        assert secret["file"].startswith("./secrets/")
    ignored = subprocess.run(
        ["git", "check-ignore", "docker/secrets/postgres_password"],  # noqa: S607
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    assert ignored.returncode == 0


def test_each_secret_is_made_and_given_only_to_who_reads_it(
    compose: dict[str, Any], secrets: Path
) -> None:
    declared = {Path(secret["file"]).name for secret in compose["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == declared
    for name, service in ours(compose).items():
        read = {v for v in service["environment"].values() if str(v).startswith("/run/secrets/")}
        assert {f"/run/secrets/{given}" for given in service.get("secrets", [])} == read, name


def test_secrets_are_made_once(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    subprocess.run([str(ROOT / "docker/make-secrets"), str(secrets)], check=True)
    secrets.chmod(0o755)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    assert len(set(before.values())) == len(before)


def test_everything_of_ours_is_hardened_and_comes_back(compose: dict[str, Any]) -> None:
    for name, service in ours(compose).items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        once = words(service)[-1] in ("migrate", "apply")
        assert service["restart"] == ("no" if once else "unless-stopped"), name
        assert once or service["healthcheck"]["test"], name


def test_databases_bus_and_issuer_have_the_versions_of_a_cluster(compose: dict[str, Any]) -> None:
    text = (ROOT / "k8s/versions.env").read_text()
    named = dict(re.findall(r"^([A-Z_]+)=(\S+)$", text, re.MULTILINE))
    used = {name: compose["services"][name]["image"] for name in ("postgres", "nats", "keycloak")}
    version, _, flavour = tag(named["POSTGRES_IMAGE"]).partition("-")
    assert tag(used["postgres"]) == f"{version}-{flavour.removeprefix('minimal-')}"
    assert tag(used["nats"]) == named["NATS_IMAGE_TAG"]
    assert compose["services"]["nats-volume"]["image"] == used["nats"]
    assert tag(used["keycloak"]) == named["KEYCLOAK"]


def tag(image: str) -> str:
    return image.rpartition(":")[2]


def test_only_the_edge_and_the_issuer_are_open_and_to_this_machine_alone(
    compose: dict[str, Any],
) -> None:
    services = compose["services"].items()
    open_ports = {name: service["ports"] for name, service in services if "ports" in service}
    assert set(open_ports) == {"gateway", "keycloak"}
    assert all(port.startswith("127.0.0.1:") for ports in open_ports.values() for port in ports)


def test_nats_takes_its_settings_and_writes_through() -> None:
    file = ROOT / "docker/nats/nats.conf"
    server = str(Path(sys.executable).parent / "nats-server")
    done = subprocess.run(
        [server, "-t", "-c", str(file)], capture_output=True, text=True, check=False
    )
    assert "is valid" in done.stderr, done.stderr
    assert "sync_interval: always" in file.read_text()


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedPostgres]:
    folder = open_folder("smartcity-compose-")
    running = EmbeddedPostgres(folder / "data", PostgresOptions(durable=False))
    await running.start()
    yield running
    await running.stop()
    shutil.rmtree(folder)


async def test_the_databases_are_those_of_the_devstack(
    server: EmbeddedPostgres, make_databases: Any
) -> None:
    make_databases(server)
    async with server.connect() as connection:
        await create_roles(connection, "example")
        await create_database(connection, "example", "example")
    async with server.connect("example") as connection:
        await close_schema(connection, "example")
    for service in ("inventory", "monitoring"):
        assert await rights(server, service) == await rights(server, "example")


async def rights(server: EmbeddedPostgres, service: str) -> str:
    """Return who may what, with the service's name taken out."""
    async with server.connect(service) as connection:
        rows = [
            *await connection.fetch(DATABASE_RIGHTS, service),
            *await connection.fetch(SCHEMA_RIGHTS),
            *await connection.fetch(ROLES, service),
        ]
    return "\n".join(str(tuple(row)) for row in rows).replace(service, "SERVICE")


def test_the_realm_grants_every_role_in_the_claim_that_is_read(compose: dict[str, Any]) -> None:
    realm = json.loads((ROOT / "docker/keycloak/realm.json").read_text())
    known = tomllib.loads((ROOT / "libs/common/src/common/auth/roles.toml").read_text())["roles"]
    named = [group["name"] for group in realm["groups"]]
    grants = {str(grant) for grant in grants_from(named)}
    assert grants == set(named)
    assert {name.partition("/")[2] for name in named} == set(known) - {"agent"}
    identity = compose["x-identity"]
    claim = InventorySettings.model_fields["oidc_groups_claim"].default
    for client in realm["clients"]:
        mappers = {mapper["name"]: mapper["config"] for mapper in client["protocolMappers"]}
        assert mappers["grants"]["claim.name"] == claim
        audience = mappers["audience"]["included.custom.audience"]
        assert audience == identity["SMARTCITY_OIDC_AUDIENCE"]
    assert identity["SMARTCITY_OIDC_ISSUER"].endswith(f"/realms/{realm['realm']}")


def test_grants_are_given_as_on_a_cluster() -> None:
    here, there = (
        json.loads((ROOT / folder / "keycloak/realm.json").read_text())
        for folder in ("docker", "k8s")
    )
    mappers = [one["protocolMappers"] for realm in (here, there) for one in realm["clients"]]
    assert len(mappers) == 5
    assert [one for one in mappers if one != mappers[0]] == []


@pytest.fixture
def issuer(secrets: Path) -> Iterator[int]:
    """The port of a server that has the issuer's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(secrets / "keycloak.crt", secrets / "keycloak.key")
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


async def test_the_issuer_is_trusted_by_its_certificate_alone(issuer: int, secrets: Path) -> None:
    name = {"sni_hostname": "keycloak.localhost"}
    address = f"https://127.0.0.1:{issuer}/"
    async with httpx.AsyncClient() as stranger:
        with pytest.raises(httpx.ConnectError):
            await stranger.head(address, extensions=name)
    trusted = ssl.create_default_context(cafile=secrets / "keycloak.crt")
    async with httpx.AsyncClient(verify=trusted) as client:
        assert (await client.head(address, extensions=name)).status_code == 200
