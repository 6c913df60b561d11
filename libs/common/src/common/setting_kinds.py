"""Kinds of settings that lead to secrets: checked at the start, never shown."""

import os
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import nkeys
from pydantic import AfterValidator

from common.certificates import Certificates

USER_SEED = b"SU"
WORD = re.compile(r"[^\s,]+")
SHOWN_CHARACTERS = 100


def read_secret(path: Path) -> str:
    """Return the secret that the file holds, without the line's end.

    Raises:
        OSError: The file cannot be read.
    """
    return path.read_text(encoding="utf-8").strip()


def without_secrets(value: object) -> str:
    """Return what may be shown of a setting: of URLs neither user, password nor query.

    Nothing is shown of what is no plain value, since a whole group of settings may be in it.
    """
    if not isinstance(value, str | int | float):
        return ""
    return WORD.sub(lambda word: _without_user(word[0]), str(value))[:SHOWN_CHARACTERS]


def is_a_file(value: object) -> bool:
    """Tell whether the value names something in the file system."""
    return os.path.exists(str(value))  # noqa: PTH110 - Path.exists raises at what is too long


def _without_user(word: str) -> str:
    scheme, mark, rest = word.rpartition("://")
    address = rest.rpartition("@")
    start = f"{scheme}{mark}" if mark else ""
    shown = f"{start}...@{address[2]}" if address[1] else word
    return shown.partition("?")[0] if mark or address[1] else shown


def _readable(path: Path) -> Path:
    return _checked(path, _secret_in)


def _secret_in(path: Path) -> None:
    if not read_secret(path):
        raise ValueError("cannot be used: it is empty")


def _seed(path: Path) -> Path:
    return _checked(path, user_of_seed)


def _authority(path: Path) -> Path:
    return _checked(path, lambda file: ssl.create_default_context(cafile=file))


def _certificates(path: Path) -> Path:
    return _checked(path, Certificates.read)


def _checked(path: Path, read: Callable[[Path], object]) -> Path:
    try:
        read(path)
    except OSError as error:  # also what is no certificate: ssl.SSLError
        raise ValueError(f"cannot be used: {error.strerror or type(error).__name__}") from None
    return path


def user_of_seed(path: Path) -> str:
    """Return the public key of the user whose nkey seed the file holds.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds no seed of a user; the text does not say what it holds.
    """
    seed = bytearray(path.read_bytes().strip())
    try:
        if seed.startswith(USER_SEED):
            return bytes(nkeys.from_seed(seed).public_key).decode()
    except (nkeys.NkeysError, ValueError):
        pass
    raise ValueError("must be a file with the nkey seed of a user, SU and 56 characters")


SecretFile = Annotated[Path, AfterValidator(_readable)]
"""A file with a secret, which can be read."""
SeedFile = Annotated[Path, AfterValidator(_seed)]
"""A file with the nkey seed of a user of the bus."""
AuthorityFile = Annotated[Path, AfterValidator(_authority)]
"""A file with certificates of authorities, as PEM."""
TlsFolder = Annotated[Path, AfterValidator(_certificates)]
"""A folder with `tls.crt`, `tls.key` and `ca.crt` that fit together."""
