"""`python -m common.events`: the operator's tool."""

import asyncio
import sys

from common.events.operator import run

if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(run(sys.argv[1:])))
    except KeyboardInterrupt:
        sys.exit(130)
