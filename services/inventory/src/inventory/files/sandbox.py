"""Reads a file in a process of its own, which may use only so much memory and time.

A file comes from anybody: a workbook of a kilobyte may ask its reader for a terabyte, and a reader
in C may end the process that asked it. So `python -m inventory.files.sandbox` reads the file from
its standard input and answers with the table; whatever the file does ends that process alone.
"""

import resource
import subprocess
import sys

import orjson
from common.tables.table import FileRefused, Line, Table

from inventory.files.reading import read_table

MEMORY_BYTES = 1024 * 1024 * 1024
CPU_S = 30
WALL_S = 60
HUNGRY = (
    "the file cannot be read within 1 GiB of memory and 30 s; "
    "save the rows that are needed into a new file"
)


def read_apart(content: bytes) -> Table:
    """Return the table in the file; blocks until the other process ends.

    Raises:
        FileRefused: As `read_table` does, or the file needs more memory or time than it may.
    """
    command = [sys.executable, "-m", __name__]
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=WALL_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise FileRefused("FILE_TOO_HUNGRY", HUNGRY) from error
    if done.returncode > 0 and b"MemoryError" not in done.stderr:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    if done.returncode != 0:
        raise FileRefused("FILE_TOO_HUNGRY", HUNGRY)
    answer = orjson.loads(done.stdout)
    if "refused" in answer:
        raise FileRefused(*answer["refused"])
    lines = [Line(number, cells, extra) for number, cells, extra in answer["lines"]]
    return Table(tuple(answer["headings"]), lines, answer["guarded"])


def main() -> None:
    """Read standard input; write the table, or why there is none, to standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.buffer.write(_answer(sys.stdin.buffer.read()))


def _answer(content: bytes) -> bytes:
    try:
        table = read_table(content)
    except FileRefused as refused:
        (violation,) = refused.violations
        return orjson.dumps({"refused": [violation.reason, violation.message]})
    lines = [(line.number, line.cells, line.extra) for line in table.lines]
    return orjson.dumps({"headings": table.headings, "lines": lines, "guarded": table.guarded})


if __name__ == "__main__":
    main()
