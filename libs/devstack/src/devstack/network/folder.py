"""Files in the network's folder: whole or not there, whoever is killed while writing."""

import json
import os
from pathlib import Path
from typing import Any

UNFINISHED = ".unfinished"


def write_json(path: Path, content: object) -> None:
    """Write the file so that a reader sees the old content or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")
    with unfinished.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def read_json(path: Path) -> Any:
    """Return what the file holds."""
    return json.loads(path.read_text())
