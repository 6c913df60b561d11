"""Where the lines of the children go: the terminal, a file each, and a tail for error texts."""

import itertools
import os
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

TAIL_LINES = 20
NAME_WIDTH = 17
COLOURS = (36, 33, 32, 35, 34, 31)  # SGR codes


class Sink:
    """Takes what one process writes, in pieces of any size, and passes it on line by line."""

    def __init__(self, prefix: bytes, log: Path | None, terminal: BinaryIO | None) -> None:
        self._prefix = prefix
        self._log = log
        self._file: BinaryIO | None = None
        self._terminal = terminal
        self._rest = b""
        self._tail: deque[bytes] = deque(maxlen=TAIL_LINES)

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if lines:
            self._pass_on(lines)

    def note(self, text: str) -> None:
        """Add a line of our own about the process."""
        self._pass_on([text.encode()])

    def tail(self) -> str:
        """Return the last lines."""
        return b"\n".join((*self._tail, self._rest)).decode(errors="replace").strip()

    def close(self) -> None:
        """Pass on what is left and close the file; the next write opens it again."""
        if self._rest:
            self._pass_on([self._rest])
            self._rest = b""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _pass_on(self, lines: Sequence[bytes]) -> None:
        self._tail.extend(lines)
        if self._file is None and self._log is not None:
            self._file = self._log.open("ab")
        if self._file is not None:
            self._file.write(b"".join(line + b"\n" for line in lines))
            self._file.flush()
        if self._terminal is not None:
            self._show(self._terminal, lines)

    def _show(self, terminal: BinaryIO, lines: Sequence[bytes]) -> None:
        try:
            terminal.write(b"".join(self._prefix + line + b"\n" for line in lines))
            terminal.flush()
        except OSError:
            self._terminal = None  # the reader went away, as in `make run | head`


class Output:
    """The folder of the log files and the terminal; either may be missing."""

    def __init__(self, folder: Path | None = None, terminal: BinaryIO | None = None) -> None:
        self._folder = folder
        self._terminal = terminal
        self._colours = itertools.cycle(COLOURS)
        self._coloured = terminal is not None and terminal.isatty() and "NO_COLOR" not in os.environ

    def sink(self, name: str, *, shown: bool = True) -> Sink:
        """Return the sink of process `name`; its log file starts empty."""
        log = None
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            log = self._folder / f"{name}.log"
            log.write_bytes(b"")
        return Sink(self._prefix(name), log, self._terminal if shown else None)

    def _prefix(self, name: str) -> bytes:
        text = f"{name:<{NAME_WIDTH}} |"
        if self._coloured:
            text = f"\033[{next(self._colours)}m{text}\033[0m"
        return f"{text} ".encode()


def say(text: str) -> None:
    """Write a line of the stack's own to standard output."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError:
        return  # nobody reads any more; the stack runs on
