"""Where the network's lines lead, as the inventory said it last; kept so that a restart knows."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from devstack.network.folder import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A point that a line of the simulated network leads to."""

    point: str
    """Its id, such as `DES-64.01.06.2012`."""
    display_name: str
    district: str
    """The district's code, such as `64.01.06`; "" when nobody knows."""
    district_name: str
    technology: str
    address: str


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
