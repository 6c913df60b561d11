"""One JSON object a line on standard output; personal data never."""

import logging
import sys
from typing import cast

import orjson
import structlog


def configure_logs(level: str, process: str) -> None:
    """Send this process's log lines, each marked with `process`, to standard output as JSON."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr)


def logger() -> structlog.typing.FilteringBoundLogger:
    """Return the process's logger: events are short phrases, the rest are keys."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())


def _line(event: object, **_: object) -> bytes:
    return orjson.dumps(event, default=str)
