"""The agent's key and whose agent it is: files that nobody else may read."""

import json
import os
import re
from dataclasses import asdict, dataclass
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

AGENT = re.compile(r"regions/\d{2}\.\d{2}/agents/[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
KEY = "key.pem"
IDENTITY = "identity.json"
OTHERS = 0o077


class WrongIdentity(Exception):
    """The files do not say whose agent this is, or others may read the key."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose agent this is."""

    server: str
    agent: str

    @property
    def source(self) -> str:
        """What its measurements give as their source."""
        return self.agent.rpartition("/")[2]

    def wrong(self) -> list[str]:
        """Return what is wrong with it."""
        parts = urlsplit(self.server)
        safe = parts.scheme == "https" or (parts.scheme == "http" and _here(parts.hostname))
        found = []
        if not (parts.hostname and safe):
            sentence = "must be an https URL; http only for a server on this machine"
            found.append(f"url: {sentence} (it is {self.server!r})")
        if not AGENT.fullmatch(self.agent):
            found.append(f"agent: must be as regions/64.01/agents/X (it is {self.agent!r})")
        return found


def _here(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def pending_key(folder: Path, code: str) -> tuple[Ed25519PrivateKey, Path]:
    """Return the key that is enrolled with a code; after a lost answer the same one again."""
    path = folder / f"pending-{sha256(code.encode()).hexdigest()[:16]}.pem"
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write(path, pem)
    return _read_key(path), path


def enrolled(folder: Path, identity: Identity, pending: Path) -> None:
    """Make a key that the server knows the agent's key."""
    _write(folder / IDENTITY, json.dumps(asdict(identity)).encode())
    pending.replace(folder / KEY)
    _flush_folder(folder)


def load_identity(folder: Path) -> tuple[Identity, Ed25519PrivateKey]:
    """Return whose agent this is, and its key.

    Raises:
        WrongIdentity: It was not enrolled, or others may read its key.
    """
    try:
        identity = Identity(**json.loads((folder / IDENTITY).read_bytes()))
        return identity, _read_key(folder / KEY)
    except (OSError, ValueError, TypeError) as error:
        raise WrongIdentity(f"{folder} holds no enrolled agent: {error}") from error


def _read_key(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & OTHERS:
        raise WrongIdentity(f"others may read {path}: its mode must be 0600")
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise WrongIdentity(f"{path} is no Ed25519 key")
    return key


def _write(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, also after a power cut."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
