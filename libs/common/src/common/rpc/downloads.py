"""Files that a call answers with: written whole, then sent piece by piece."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import BinaryIO, cast
from urllib.parse import quote

PIECE_BYTES = 256 * 1024
SPOOLED_BYTES = 4 * 1024 * 1024
"""A larger file waits on disk."""
BYTE_ORDER_MARK = "\ufeff"
"""Makes spreadsheets read a CSV file as UTF-8."""


async def spooled(write: Callable[[BinaryIO], Awaitable[None]]) -> AsyncIterator[bytes]:
    """Yield the pieces of the file that `write` writes.

    It is written whole before its first piece leaves: a failure is told and not taken for the
    file's end, and a slow reader holds no connection.
    """
    with tempfile.SpooledTemporaryFile(max_size=SPOOLED_BYTES) as file:
        await write(cast("BinaryIO", file))
        file.seek(0)
        while piece := file.read(PIECE_BYTES):
            yield piece


def pieces(content: bytes) -> Iterator[bytes]:
    """Yield the pieces of a file that is whole in memory."""
    for start in range(0, len(content), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES]


def disposition(file_name: str) -> tuple[str, str]:
    """Return the header that names the file; other letters than ASCII's as RFC 6266 has them.

    The name holds no quotes, backslashes and control characters.
    """
    plain = file_name.encode("ascii", "replace").decode().replace("?", "_")
    encoded = "" if plain == file_name else f"; filename*=UTF-8''{quote(file_name, safe='')}"
    return "content-disposition", f'attachment; filename="{plain}"{encoded}'
