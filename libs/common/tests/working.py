"""A worker in a process of its own: `python working.py`; it ends when told, or fails on demand."""

import asyncio
from pathlib import Path

from common.running import run_worker
from common.settings import ServiceSettings, load


class Settings(ServiceSettings):
    """Where the files lie by which a test speaks with this process."""

    folder: Path


async def main() -> None:
    """Work until SIGTERM, or until the file `broken` is there."""
    settings = load(Settings)

    async def work() -> None:
        while not (settings.folder / "broken").exists():  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.01)
        raise RuntimeError("the work is broken")

    await run_worker(settings.metrics_address, [work], settings.health_address)


if __name__ == "__main__":
    asyncio.run(main())
