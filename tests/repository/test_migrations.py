"""Migrations that run beside the previous release: what no review should have to look for."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = sorted((ROOT / "services").glob("*/migrations"))
FOLDERS.append(ROOT / "libs/common/src/common/postgres/migrations")
FILES = [path for folder in FOLDERS for path in sorted(folder.glob("*.sql"))]
SOURCES = [*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("libs/common/src/**/*.py")]
HEAD = re.compile(r"-- Why: .+\n(--.+\n)*-- Runs beside the previous release[: ]", re.MULTILINE)
NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
COMMENT = re.compile(r"--.*$", re.MULTILINE)
BODY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
TIMEOUTS = (
    re.compile(r"^SET lock_timeout = ('4s';|'\w+'; -- \w+)", re.MULTILINE),
    re.compile(r"^SET statement_timeout = ('5s';|'\w+'; -- \w+)", re.MULTILINE),
)
"""Others say why on their line."""
HARMFUL = {
    "takes an index that an interrupted run left invalid for made": r"\bCONCURRENTLY\s+IF\s+NOT\b",
    "takes away what the previous release reads": r"\bDROP\s+(TABLE|COLUMN|VIEW|TYPE|SCHEMA)\b",
    "renames what the previous release reads": r"\bRENAME\b",
    "lets the previous release's inserts fail": r"\bADD\s+COLUMN\b(?![^,;]*\bDEFAULT\b)"
    r"[^,;]*\bNOT\s+NULL\b|\bSET\s+NOT\s+NULL\b",
    "rewrites a table under a lock": r"\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b",
    "checks a whole table under a lock": r"\bALTER\s+TABLE\b(?![^;]*\bADD\s+COLUMN\b)[^;]*"
    r"\bADD\s+CONSTRAINT\b(?![^;]*\bNOT\s+VALID\b)[^;]*\b(CHECK|FOREIGN\s+KEY)\b",
}
STAR = re.compile(r"\bSELECT\s+\*\s+FROM\s+(?!unnest\b|given\b)(\w+)", re.IGNORECASE)


def statements(text: str) -> str:
    """Return what `migrate:up` runs, without comments and the bodies of functions."""
    up = text.partition("-- migrate:up")[2].partition("-- migrate:down")[0]
    return BODY.sub("''", COMMENT.sub("", up.partition("\n")[2])).strip()


def problems(name: str, text: str) -> list[str]:
    """Return all that keeps a migration from running beside the previous release."""
    found = [] if NAME.fullmatch(name) else ["its name is not NNNN_verb_noun.sql"]
    if not HEAD.match(text):
        found.append("it does not begin with why, and why it runs beside the previous release")
    run = statements(text)
    if re.search(r"\bCREATE\s+(UNIQUE\s+)?INDEX\s+CONCURRENTLY\b", run):
        if run.rstrip(";").count(";") or "transaction:false" not in text:
            found.append("CREATE INDEX CONCURRENTLY is not alone in its file, without transaction")
    elif run and not all(setting.search(text) for setting in TIMEOUTS):
        found.append("it sets no lock_timeout of 4s or statement_timeout of 5s, nor says why not")
    return found + [what for what, sql in HARMFUL.items() if re.search(sql, run, re.IGNORECASE)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_a_migration_runs_beside_the_previous_release(path: Path) -> None:
    assert problems(path.name, path.read_text()) == []


GOOD = "-- Why: a note.\n-- Runs beside the previous release because it is new.\n\n-- migrate:up"
SET = "\nSET lock_timeout = '4s';\nSET statement_timeout = '5s';\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-- migrate:up" + SET, "does not begin with why"),
        (f"{GOOD}\nCREATE TABLE x (y int);", "sets no lock_timeout"),
        (f"{GOOD}{SET.replace('5s', '9s')}CREATE TABLE x (y int);", "sets no lock_timeout"),
        (f"{GOOD}{SET}ALTER TABLE x DROP COLUMN y;", "takes away"),
        (f"{GOOD}{SET}ALTER TABLE x RENAME TO y;", "renames"),
        (f"{GOOD}{SET}ALTER TABLE x ADD COLUMN y text NOT NULL;", "inserts fail"),
        (f"{GOOD}{SET}ALTER TABLE x ALTER COLUMN y TYPE bigint;", "rewrites"),
        (f"{GOOD}{SET}ALTER TABLE x ADD CONSTRAINT y CHECK (z > 0);", "checks a whole table"),
        (f"{GOOD}\nCREATE INDEX CONCURRENTLY x ON y (z);\nSELECT 1;", "not alone"),
        (f"{GOOD}\nCREATE INDEX CONCURRENTLY IF NOT EXISTS x ON y (z);", "left invalid"),
    ],
)
def test_a_harmful_migration_is_found(text: str, problem: str) -> None:
    assert [found for found in problems("0001_do_it.sql", text) if problem in found] != []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE x ADD COLUMN y text NOT NULL DEFAULT '';",
        "ALTER TABLE x ADD COLUMN y text;",
        "ALTER TABLE x ADD COLUMN y int, ADD CONSTRAINT z CHECK (y > 0);",
        "ALTER TABLE x ADD CONSTRAINT y CHECK (z > 0) NOT VALID;",
    ],
)
def test_a_harmless_migration_passes(statement: str) -> None:
    assert problems("0001_do_it.sql", f"{GOOD}{SET}{statement}\n") == []


def test_every_select_names_its_columns() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]!r}"
        for path in SOURCES
        for match in STAR.finditer(path.read_text())
    ]
    assert found == []
