"""Serve the local issuer until SIGTERM or SIGINT."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import waitress
from common.settings import load
from common.telemetry.logs import configure_logs, logger

from devstack.errors import ProductionSetting
from devstack.issuer.pages import LONGEST_FORM, issuer_app
from devstack.issuer.settings import IssuerSettings, refuse_production
from devstack.keys import client_secret, signing_key


def main() -> int:
    """Run the process; exit with 2 where it must not run."""
    settings = load(IssuerSettings)
    configure_logs("INFO", "issuer")
    try:
        refuse_production(os.environ)
    except ProductionSetting as error:
        sys.stderr.write(f"{error}\n")
        return 2
    signal.signal(signal.SIGTERM, _stop)
    folder = settings.secrets_folder
    app = issuer_app(settings, signing_key(folder), client_secret(folder))
    logger().info("serving", url=settings.url)
    waitress.serve(
        app,
        listen=settings.address,
        threads=4,
        ident=None,
        connection_limit=1000,
        channel_timeout=10,
        max_request_body_size=LONGEST_FORM,
    )
    return 0


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - a handler's shape
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
