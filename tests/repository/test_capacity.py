"""The capacity that the docs promise is what the measured figures give."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tables_of_capacity_are_those_that_are_computed() -> None:
    computed = subprocess.run(
        (sys.executable, str(ROOT / "bench/capacity.py")),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line for line in computed.splitlines() if line.startswith("|")]
    assert len(rows) > 8
    documented = (ROOT / "docs/operations.md").read_text().splitlines()
    assert [row for row in rows if row not in documented] == []
