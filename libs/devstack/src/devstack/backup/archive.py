"""What a backup is made of: a folder of files, with the checksum of each in `SHA256SUMS`.

`sha256sum --check SHA256SUMS` says by hand what `read` says. The keys that open personal data are
no part of it: they lie in a file beside it, to be kept elsewhere.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from devstack.errors import BackupRefused

FORMAT = 1
"""Raised when an older release could not restore what a newer one writes."""
SUMS, CONTENTS = "SHA256SUMS", "backup.json"
DATABASES, STREAMS, NETWORK = "databases", "streams", "network"
CHUNK = 1 << 20


class Stream(BaseModel):
    """One stream as JetStream described it in its snapshot."""

    model_config = ConfigDict(frozen=True)

    config: dict[str, Any]
    state: dict[str, Any]

    @property
    def name(self) -> str:
        """Return its name, which is also its file's."""
        return str(self.config["name"])


class Contents(BaseModel):
    """`backup.json`: what the backup holds, and what it takes to restore it."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    begin_time: str
    """All that was acknowledged before this moment is in the backup (RFC 3339)."""
    postgres: int
    """The major version whose data folder it is."""
    migrations: dict[str, str]
    """By database, the last migration that was applied."""
    streams: list[Stream]
    secrets: dict[str, str]
    """By file, the SHA-256 of what the keys' file must hold."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the contents of a backup after checking every byte of it.

        Raises:
            BackupRefused: It is no backup, is damaged, or comes from a newer release.
        """
        problems = [] if (folder / SUMS).is_file() else [f"there is no {folder / SUMS}"]
        problems = problems or list(_damages(folder))
        if problems:
            raise BackupRefused(f"{folder} is no whole backup: " + "; ".join(problems))
        text = (folder / CONTENTS).read_text()
        _require_known_format(folder, text)
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise BackupRefused(f"{folder / CONTENTS} is none of ours: {error}") from error

    def describe(self) -> str:
        """Return what is in it, for a person."""
        streams = (f"{one.name} {one.state['messages']:,} messages" for one in self.streams)
        migrated = (f"{name} at {last}" for name, last in sorted(self.migrations.items()))
        rows = (
            ("begun", self.begin_time),
            ("format", f"{self.format}, PostgreSQL {self.postgres}"),
            ("databases", ", ".join(migrated)),
            ("streams", ", ".join(streams)),
            ("keys needed", ", ".join(sorted(self.secrets))),
        )
        return "\n".join(f"  {name:<12} {value}" for name, value in rows)


class _Versioned(BaseModel):
    format: int


def _require_known_format(folder: Path, text: str) -> None:
    try:
        found = _Versioned.model_validate_json(text).format
    except ValidationError as error:
        raise BackupRefused(f"{folder / CONTENTS} names no format: {error}") from error
    if found > FORMAT:
        raise BackupRefused(
            f"{folder} has format {found}, and this release knows formats up to {FORMAT}: restore "
            "it with the release that made it, or a newer one"
        )


def seal(folder: Path, contents: Contents) -> None:
    """Write the contents and the checksums of all files, and bring everything to the disk."""
    (folder / CONTENTS).write_text(contents.model_dump_json(indent=2))
    lines = [f"{digest(path)}  {path.relative_to(folder)}\n" for path in _files(folder)]
    (folder / SUMS).write_text("".join(lines))
    for path in (*_files(folder), folder / SUMS, folder):
        flush(path)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size(folder: Path) -> int:
    """Return how many bytes the folder's files have."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _damages(folder: Path) -> Iterator[str]:
    """Yield all that differs from the checksums, and what no checksum names."""
    named = {}
    text = (folder / SUMS).read_text(errors="replace")
    if not text.endswith("\n"):
        yield f"{SUMS} is cut off"
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            yield f"{path.relative_to(folder)} leads elsewhere"
    for line in text.splitlines():
        wanted, _, name = line.partition("  ")
        named[name] = wanted
    found = {str(path.relative_to(folder)): path for path in _files(folder)}
    for name in sorted(named.keys() | found.keys() | {CONTENTS}):
        if name not in found:
            yield f"{name} is missing"
        elif name not in named:
            yield f"{name} is not in {SUMS}"
        elif digest(found[name]) != named[name]:
            yield f"{name} is damaged ({found[name].stat().st_size} bytes)"


def _files(folder: Path) -> list[Path]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if path != folder / SUMS]
