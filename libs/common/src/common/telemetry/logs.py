"""One JSON object a line on standard output; personal data never."""

import asyncio
import atexit
import logging
import sys
from collections import deque
from typing import BinaryIO, cast

import orjson
import structlog

WRITTEN_WITHIN_S = 0.05


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
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", _Batched(sys.stdout.buffer))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr)


def logger() -> structlog.typing.FilteringBoundLogger:
    """Return the process's logger: events are short phrases, the rest are keys."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())


def _line(event: object, **_: object) -> bytes:
    return orjson.dumps(event, default=str)


class _Batched:
    """A file whose writes, while an event loop runs, leave together after `WRITTEN_WITHIN_S`.

    A write of its own for each line, which wakes whoever reads, cost a tenth of a small call.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: deque[bytes] = deque()
        atexit.register(self._write_out)

    def write(self, line: bytes) -> int:
        """Take a line."""
        self._lines.append(line)
        return len(line)

    def flush(self) -> None:
        """See to it that the lines leave soon, or now when no event loop runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write_out()
            return
        if len(self._lines) == 1:
            loop.call_later(WRITTEN_WITHIN_S, self._write_out)

    def _write_out(self) -> None:
        lines = []
        while self._lines:  # not a swap: a thread may add a line meanwhile
            lines.append(self._lines.popleft())
        try:
            self._file.write(b"".join(lines))
            self._file.flush()
        except OSError:
            return  # nobody reads any more; the service runs on
