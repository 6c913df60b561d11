"""`make bench`: start a platform, measure, print the tables. `python bench reads` runs one part."""

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from away import away
from backlog import backlog
from devstack.settings import StackSettings
from devstack.stack import Stack
from devstack.testing import open_folder
from events import events
from faults import faults
from files import files
from history import history
from ingest import ingest
from prober import prober
from reads import reads
from start import start
from statuses import statuses
from storage import storage
from table import Table
from walls import walls

# gRPC's handlers around a fork may abort a child before it becomes the server that is measured.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

PARTS: dict[str, Callable[[Stack], Awaitable[Table]]] = {
    "reads": reads,
    "events": events,
    "walls": walls,
    "ingest": ingest,
    "history": history,
    "backlog": backlog,
    "away": away,
    "storage": storage,
    "files": files,
    "prober": prober,
    "statuses": statuses,
    "faults": faults,
}


async def main(wanted: list[str]) -> None:
    """Run the parts that are wanted, or all."""
    folder = open_folder("smartcity-bench-")
    try:
        if not wanted or "start" in wanted:
            print(await start(folder / "start"))
        await _on_one_platform(folder / "stack", [n for n in PARTS if not wanted or n in wanted])
    finally:
        shutil.rmtree(folder)


async def _on_one_platform(folder: Path, names: list[str]) -> None:
    settings = StackSettings.model_validate({"port": 0, "state_folder": folder, "network": "off"})
    async with Stack(settings) as stack:
        for name in names:
            print(await PARTS[name](stack))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
