"""Serve the local sink until SIGTERM or SIGINT."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import waitress
from common.settings import load
from common.telemetry.logs import configure_logs, logger

from devstack.sink.pages import LONGEST_MESSAGE, sink_app
from devstack.sink.settings import SinkSettings


def main() -> None:
    """Run the process."""
    settings = load(SinkSettings)
    configure_logs("INFO", "sink")
    signal.signal(signal.SIGTERM, _stop)
    logger().info("serving", url=f"http://{settings.address}")
    waitress.serve(
        sink_app(),
        listen=settings.address,
        threads=2,
        ident=None,
        channel_timeout=10,
        max_request_body_size=LONGEST_MESSAGE,
    )


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - a handler's shape
    sys.exit(0)


if __name__ == "__main__":
    main()
