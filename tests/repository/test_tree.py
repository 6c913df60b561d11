"""What holds for the tree as a whole."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GIT, MAKE = shutil.which("git") or "git", shutil.which("make") or "make"
# Written in pieces, so that this file does not name what it forbids.
FORBIDDEN = re.compile(
    "|".join(
        (
            r"pypi\.o" + "rg",
            r"pythonho" + r"sted\.org",
            r"registry\.np" + "mjs",
            r"deb\.deb" + "ian",
            r"proxy\.gol" + "ang",
            r"static\.cra" + "tes",
            "--index" + "-url",
        )
    )
)
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)+/?)`")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#]+)")
NOT_OURS = ("64.", "regions/", "application/", "google/", "buf/", "smartcity/", "/", "v1/")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        [GIT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


DOCS = [path for path in tracked("*.md") if path.is_file()]


@pytest.mark.parametrize("doc", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_doc_names_only_paths_that_exist(doc: Path) -> None:
    text = doc.read_text()
    named = [name for name in PATH.findall(text) if not name.startswith(NOT_OURS)]
    missing = [name for name in {*named, *LINK.findall(text)} if not exists(doc, name)]
    assert missing == []


def exists(doc: Path, name: str) -> bool:
    made_when_running = name.startswith((".local/", ".venv/"))
    return made_when_running or (ROOT / name).exists() or (doc.parent / name).exists()


def test_nothing_names_where_packages_come_from() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {hit}" for hit in FORBIDDEN.findall(text)]
    assert found == []


@pytest.mark.parametrize("lock", ["run.lock", "dev.lock", "carriers.lock"])
def test_every_requirement_is_pinned_with_hashes(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert [line for line in lines if "==" not in line or "--hash=sha256:" not in line] == []


def test_what_runs_in_production_is_what_was_tested() -> None:
    pins = {
        name: set(re.findall(r"^([\w.-]+==[^ \\;]+)", path.read_text(), re.MULTILINE))
        for name in ("run", "dev")
        for path in [ROOT / f"requirements/{name}.lock"]
    }
    assert pins["run"] - pins["dev"] == set()


@pytest.mark.parametrize("record", sorted((ROOT / "docs/adr").glob("*.md")), ids=lambda p: p.name)
def test_a_decision_is_recorded_with_its_parts_and_its_check(record: Path) -> None:
    headings = re.findall(r"^## (.+)$", record.read_text(), re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "Alternatives", "Check"]


def test_no_two_decisions_have_one_number() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs/adr").glob("*.md")]
    assert sorted(numbers) == sorted(set(numbers))


def test_help_lists_every_target() -> None:
    targets = re.findall(r"^\.PHONY: (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = subprocess.run([MAKE, "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {f"make {name}" for name in targets} == set(re.findall(r"make \S+", shown.stdout))


def test_every_alert_has_a_runbook() -> None:
    rules = (ROOT / "charts/smartcity/rules/alerts.yaml").read_text()
    described = re.findall(
        r"^\| ([A-Z]\w+) \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE
    )
    assert re.findall(r"alert: (\w+)", rules) == described


def sleeps(path: Path) -> list[str]:
    """Return the calls of `sleep` of half a second or more, which only hope."""
    return [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("sleep")
        for given in call.args[:1]
        if isinstance(given, ast.Constant) and float(str(given.value)) >= 0.5
    ]


def test_no_test_sleeps_and_hopes() -> None:
    tests = [path for path in tracked("*.py") if "tests" in path.parts]
    assert len(tests) > 100
    assert [call for path in tests for call in sleeps(path)] == []
