"""What a data set holds: a region's divisions, their polygons, and an import file of points."""

from dataclasses import dataclass
from typing import Any

LEVEL_OF_DOTS = {1: "region", 2: "district", 3: "village"}


@dataclass(frozen=True, slots=True)
class Division:
    """A region, district or village with what is known of it."""

    code: str
    display_name: str
    kind: str
    """DESA or KELURAHAN; empty for a region or district."""
    postal_code: str
    aliases: list[str]
    figures: dict[str, dict[str, Any]]
    positions: dict[str, dict[str, Any]]

    @property
    def level(self) -> str:
        """Return region, district or village."""
        return LEVEL_OF_DOTS[self.code.count(".")]


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the folder holds."""

    region: str
    notice: str
    divisions: list[Division]
    polygons: dict[str, tuple[bytes, str]]
    """Code → WKB and its source."""
    points: bytes
    """The import file, b"" when there is none."""
