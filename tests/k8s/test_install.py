"""What the scripts give to helm and kubectl: programs stand in for both and write it down."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BASH = shutil.which("bash") or "bash"
WRITES_DOWN = """#!{python}
import json, pathlib, sys
given = "" if sys.stdin.isatty() or "-" not in sys.argv else sys.stdin.read()
with pathlib.Path({file!r}).open("a") as file:
    file.write(json.dumps([pathlib.Path(sys.argv[0]).name, sys.argv[1:], given]) + "\\n")
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A copy of `k8s/` whose commands are written down and change nothing."""

    k8s: Path
    told: Path

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the copy."""
        path = f"{self.told.parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [BASH, str(self.k8s / script), *words],
            env=os.environ | {"PATH": path, "PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def commands(self, program: str) -> list[tuple[list[str], str]]:
        """Return the words and the input of each command of a program."""
        lines = [json.loads(line) for line in self.told.read_text().splitlines()]
        return [(words, given) for name, words, given in lines if name == program]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    copied = shutil.copytree(ROOT / "k8s", tmp_path / "tree/k8s")
    programs = tmp_path / "programs"
    programs.mkdir()
    told = programs / "told"
    for name in ("kubectl", "helm"):
        (programs / name).write_text(WRITES_DOWN.format(python=sys.executable, file=str(told)))
        (programs / name).chmod(0o755)
    return Cluster(copied, told)


def change(cluster: Cluster, variable: str, value: str) -> None:
    file = cluster.k8s / "environments/paser.env"
    text, times = re.subn(f"(?m)^{variable}=.*$", f"{variable}={value}", file.read_text())
    assert times == 1
    file.write_text(text)


def test_everything_moves_over_to_a_restored_cluster_by_one_line(
    cluster: Cluster, helm: Path
) -> None:
    change(cluster, "DATABASE", "postgres-2")
    done = cluster.run("install.sh", "paser", "database", "keycloak", "platform")
    assert done.returncode == 0, done.stderr
    releases = {words[2]: words for words, _ in cluster.commands("helm")}
    # The old cluster is not installed anew.
    assert set(releases) == {"postgres-2", "smartcity"}
    assert "name=postgres-2" in releases["postgres-2"]
    [keycloak] = [
        one
        for _, given in cluster.commands("kubectl")
        for one in yaml.safe_load_all(given)
        if one and one["kind"] == "Keycloak"
    ]
    assert keycloak["spec"]["db"]["host"] == "postgres-2-rw.smartcity.svc"
    rendered = as_rendered(helm, releases["smartcity"])
    hosts = set(re.findall(r"postgres(?:ql)?://\w+@([\w-]+):5432/", rendered))
    assert hosts == {"postgres-2-rw"}
    assert set(re.findall(r"cnpg\.io/cluster\W+([\w-]+)", rendered)) == {"postgres-2"}
    assert set(re.findall(r"name: (postgres[\w-]*-ca)", rendered)) == {"postgres-2-ca"}


@pytest.mark.parametrize(("issuer", "told"), [("platform", 2), ("letsencrypt", 0)])
def test_services_trust_the_authority_that_certifies_the_edge(
    cluster: Cluster, helm: Path, issuer: str, told: int
) -> None:
    change(cluster, "ISSUER", issuer)
    done = cluster.run("install.sh", "paser", "edge", "platform")
    assert done.returncode == 0, done.stderr
    certificates = [
        one["spec"]["issuerRef"]["name"]
        for _, given in cluster.commands("kubectl")
        for one in yaml.safe_load_all(given)
        if one and one["kind"] == "Certificate"
    ]
    assert certificates == [issuer]
    [words] = [words for words, _ in cluster.commands("helm") if words[2] == "smartcity"]
    assert as_rendered(helm, words).count("SMARTCITY_OIDC_CA_FILE: ") == told


def as_rendered(helm: Path, words: list[str]) -> str:
    """Render what the words of `helm upgrade` would install."""
    given = [word for word in words[4:] if word not in ("--create-namespace", "--wait")]
    chart = ["template", words[2], str(ROOT / "charts/smartcity")]
    done = subprocess.run(
        [str(helm), *chart, *given], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_restore_begins_from_the_cluster_that_is_used(cluster: Cluster) -> None:
    change(cluster, "DATABASE", "postgres-2")
    done = cluster.run("restore.sh", "paser", "postgres-3", "2026-11-26T04:30:00Z")
    assert done.returncode == 0, done.stderr
    [(words, _)] = cluster.commands("helm")
    wanted = {"name=postgres-3", "recovery.from=postgres-2", "recovery.until=2026-11-26T04:30:00Z"}
    assert wanted <= set(words)


def test_a_backup_is_of_the_cluster_that_is_used(cluster: Cluster) -> None:
    change(cluster, "DATABASE", "postgres-2")
    done = cluster.run("backup.sh", "paser")
    assert done.returncode == 0, done.stderr
    backup: Any = yaml.safe_load(cluster.commands("kubectl")[0][1])
    assert backup["spec"]["cluster"]["name"] == "postgres-2"


@pytest.mark.parametrize("words", [(), ("paser",), ("paser", "migrate"), ("nowhere", "tell")])
def test_only_commands_of_the_owner_go_to_the_database_from_outside(
    cluster: Cluster, words: tuple[str, ...]
) -> None:
    refused = cluster.run("inventory.sh", *words)
    assert refused.returncode == 1
    assert "usage: k8s/inventory.sh ENVIRONMENT COMMAND" in refused.stderr
    assert not cluster.told.exists()
