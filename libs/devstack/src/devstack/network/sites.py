"""Where the network's lines lead, as the inventory said it last; kept so that a restart knows."""

from collections.abc import Collection
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from devstack.network.folder import write_whole
from devstack.network.site import Site

SITES = TypeAdapter(tuple[Site, ...])


def write_sites(folder: Path, sites: Collection[Site]) -> None:
    """Keep the sites in the network's folder."""
    write_whole(folder / "sites.json", SITES.dump_json(tuple(sites)))


def read_sites(folder: Path) -> tuple[Site, ...]:
    """Return the sites that were kept; none when there are none, or none that can be read."""
    try:
        return SITES.validate_json((folder / "sites.json").read_bytes())
    except (OSError, ValidationError):
        return ()


def laid_mark(folder: Path, region: str) -> Path:
    """Return the file that is there once the region's demonstration lines have been laid."""
    return folder / f"laid-{region}"
