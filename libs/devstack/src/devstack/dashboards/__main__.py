"""Write the dashboards: `python -m devstack.dashboards charts/smartcity/dashboards`."""

import sys
from pathlib import Path

from devstack.dashboards.dashboard import written


def main(folder: Path) -> None:
    """Write every dashboard into the folder."""
    for name, text in written().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
