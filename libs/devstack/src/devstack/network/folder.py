"""Files in the network's folder: whole or not there, whoever is killed while writing."""

import os
from pathlib import Path

UNFINISHED = ".unfinished"


def write_whole(path: Path, content: bytes) -> None:
    """Write the file so that a reader sees the old content or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
