"""The start: seconds from installed to ready, and the memory of the whole platform at rest."""

import time
from pathlib import Path

import psutil
from devstack.outside import Outside
from table import Table

MIB = 1024 * 1024


async def start(folder: Path) -> Table:
    """Measure a first and a second start on one state folder, then count the memory."""
    table = Table("start and memory at rest", ("what", "seconds", "MiB (PSS)"))
    for name in ("first start, data loaded", "second start"):
        begin = time.perf_counter()
        run = await Outside.start(
            "-m", "devstack", "--quiet", port=0, state_folder=folder, network="on"
        )
        await run.line("ready: ")
        table.add(name, time.perf_counter() - begin, "")
        if name == "second start":
            _add_memory(table, psutil.Process(run.process.pid))
        run.process.terminate()
        await run.end()
    return table


def _add_memory(table: Table, devstack: psutil.Process) -> None:
    """Add a row for each child with all below it. PSS counts shared pages once."""
    rows = {"devstack": _pss_mib(devstack)}
    for child in devstack.children():
        name = next((word for word in child.cmdline() if word in {"inventory", "gateway"}), "")
        family = [child, *child.children(recursive=True)]
        rows[name or child.name()] = sum(map(_pss_mib, family))
    for name, mib in rows.items():
        table.add(name, "", f"{mib:.0f}")
    table.add("everything", "", f"{sum(rows.values()):.0f}")


def _pss_mib(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / MIB
