"""Secrets that a stack makes for itself, once."""

import base64
import json
import os
import secrets
from pathlib import Path

from joserfc.jwk import ECKey

from devstack.errors import KeysGone

KEY_BYTES = 32


def make_contact_keys(folder: Path) -> None:
    """Make the keys that seal contact persons' data, for a database that is new."""
    path = _contact_keys(folder)
    if not path.exists():
        key, key_id = (
            base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
            secrets.token_hex(4),
        )
        write_private(path, json.dumps({"active": key_id, "keys": {key_id: key}}))


def contact_keys_file(folder: Path) -> Path:
    """Return the file with these keys.

    Raises:
        KeysGone: There is none, and the database may hold what only it opens.
    """
    path = _contact_keys(folder)
    if not path.exists():
        raise KeysGone(
            f"{path} is gone, and contacts in the database are sealed under its keys: bring it back"
        )
    return path


def _contact_keys(folder: Path) -> Path:
    return folder / "contact_keys.json"


def signing_key(folder: Path) -> ECKey:
    """Return the key that the local issuer signs with; make it when it is new."""
    path = folder / "issuer_key.json"
    if not path.exists():
        key = ECKey.generate_key("P-256", {"kid": secrets.token_hex(8), "use": "sig"})
        write_private(path, json.dumps(key.as_dict(private=True)))
    return ECKey.import_key(json.loads(path.read_text()))


def client_secret(folder: Path) -> str:
    """Return the secret of this machine's programs at the local issuer; make it when it is new."""
    path = folder / "issuer_client_secret"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(KEY_BYTES))
    return path.read_text()


def write_private(path: Path, text: str, *, folder_mode: int = 0o700) -> None:
    """Write a file that only we may read; it is whole under its name, or not there."""
    path.parent.mkdir(mode=folder_mode, parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
