"""Where the network's lines lead, as the inventory said it last; kept so that a restart knows."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from devstack.network.folder import read_json, write_json


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


def write_sites(folder: Path, sites: Collection[Site]) -> None:
    """Keep the sites in the network's folder."""
    write_json(folder / "sites.json", [asdict(site) for site in sites])


def read_sites(folder: Path) -> tuple[Site, ...]:
    """Return the sites that were kept; none when there are none yet."""
    path = folder / "sites.json"
    return tuple(Site(**fields) for fields in read_json(path)) if path.exists() else ()
