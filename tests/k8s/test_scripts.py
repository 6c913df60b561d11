"""What the scripts say where something is missing, before they change anything."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BASH = shutil.which("bash") or "bash"
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: production
contexts: [{name: production, context: {cluster: production, user: ""}}]
clusters: [{name: production, cluster: {server: "https://127.0.0.1:1"}}]
"""


def run(script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BASH, str(ROOT / "k8s" / script), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def tools(folder: Path, *names: str) -> str:
    """Make a PATH with these programs and no others."""
    for name in names:
        (folder / name).symlink_to(shutil.which(name) or name)
    return str(folder)


def test_a_laptop_without_docker_is_told_so(tmp_path: Path) -> None:
    refused = run("kind/up.sh", PATH=tools(tmp_path, "dirname"))
    assert refused.returncode == 1
    assert "docker is needed and not on the PATH: see docs.docker.com" in refused.stderr


def test_a_laptop_without_kind_is_told_how_to_get_it(tmp_path: Path) -> None:
    refused = run("kind/down.sh", PATH=tools(tmp_path, "dirname"))
    assert refused.returncode == 1
    assert "kind is needed and not on the PATH: go install sigs.k8s.io/kind@v" in refused.stderr


def test_an_unknown_environment_is_answered_with_those_there_are() -> None:
    refused = run("install.sh", "atlantis")
    assert refused.returncode == 1
    assert "laptop.env paser.env ten-regencies.env" in refused.stderr


def test_without_a_cluster_nothing_is_installed(tmp_path: Path) -> None:
    refused = run("install.sh", "paser", KUBECONFIG=str(tmp_path / "none"))
    assert refused.returncode == 1
    assert "no cluster answers" in refused.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "usage:"),
        (("paser", "postgres"), "not postgres"),
        (("paser", "postgres-2", "yesterday"), "it is 'yesterday'"),
        (("paser", "postgres-2", "2026-11-26T04:30:00"), "with its zone"),
    ],
)
def test_a_restore_wants_a_new_name_and_a_moment_with_its_zone(
    words: tuple[str, ...], told: str
) -> None:
    refused = run("restore.sh", *words)
    assert refused.returncode == 1
    assert told in refused.stderr


def test_the_tests_of_a_cluster_say_why_they_are_skipped(tmp_path: Path, run_script: Any) -> None:
    skipped = run_script("e2e/run.py", env={"KUBECONFIG": str(tmp_path / "none")})
    assert (skipped.returncode, skipped.stderr) == (0, "")
    assert skipped.stdout.startswith("e2e-k8s is skipped: kubectl has no context")


def test_the_tests_of_a_cluster_leave_other_clusters_alone(tmp_path: Path, run_script: Any) -> None:
    (tmp_path / "config").write_text(KUBECONFIG)
    config = {"KUBECONFIG": str(tmp_path / "config")}
    skipped = run_script("e2e/run.py", env=config)
    assert skipped.returncode == 0
    assert "the context is 'production', not 'kind-smartcity'" in skipped.stdout
    named = run_script("e2e/run.py", env=config | {"SMARTCITY_E2E_CONTEXT": "production"})
    assert named.returncode == 0
    assert "the cluster of 'production' does not answer" in named.stdout
