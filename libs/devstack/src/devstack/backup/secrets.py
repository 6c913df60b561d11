"""The keys beside a backup: one file, closed to others, without which no contact can be opened."""

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from devstack.backup.archive import Contents
from devstack.errors import BackupRefused
from devstack.keys import write_private

SUFFIX = ".keys.json"
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
"""One part of a path: whoever wrote the file chooses no place outside of the folder."""


class Keys(BaseModel):
    """The files of a state folder's `secrets`, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[FileName, str]

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each, which tells nothing of a random key."""
        return {name: _digest(text) for name, text in self.files.items()}

    def put(self, secrets: Path) -> None:
        """Write them into a `secrets` folder."""
        for name, text in self.files.items():
            write_private(secrets / name, text)


def beside(backup: Path) -> Path:
    """Return where the keys of a backup are written."""
    return backup.with_name(f"{backup.name}{SUFFIX}")


def keys_in(secrets: Path) -> Keys:
    """Return the keys of a state folder."""
    found = (path for path in sorted(secrets.iterdir()) if path.suffix != ".unfinished")
    return Keys(files={path.name: path.read_text() for path in found})


def read_keys(path: Path, contents: Contents) -> Keys:
    """Return the keys in a file.

    Raises:
        BackupRefused: It cannot be read, or holds other keys than the backup needs.
    """
    try:
        keys = Keys.model_validate_json(path.read_text())
    except OSError as error:
        raise BackupRefused(
            f"the keys of the backup are not at {path} ({error.strerror}): say where, with KEYS="
        ) from error
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise BackupRefused(f"{path} holds no keys: {problem}") from None
    held = keys.digests()
    other = [name for name, wanted in contents.secrets.items() if held.get(name) != wanted]
    if other or held.keys() != contents.secrets.keys():
        wrong = ", ".join(other) or "it holds more"
        raise BackupRefused(f"{path} does not hold this backup's keys: {wrong}")
    return keys


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
