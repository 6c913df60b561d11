"""Personal data at rest: AES-256-GCM under a key that has an id, so that keys can be rotated."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common.errors import Kind, ServiceError

NONCE_BYTES = 12


class KeyMissing(ServiceError):
    """Personal data cannot be opened with the keys that this process has."""

    kind = Kind.UNAVAILABLE
    reason = "KEY_MISSING"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys by id; `active` seals, all of them open."""

    active: str
    keys: dict[str, bytes]

    @classmethod
    def read(cls, path: Path) -> "Keyring":
        """Read `{"active": id, "keys": {id: base64 of 32 bytes}}`.

        Raises:
            OSError, ValueError, KeyError: The file is missing or not of this form.
        """
        stored = orjson.loads(path.read_bytes())
        keys = {key_id: base64.b64decode(key) for key_id, key in stored["keys"].items()}
        if stored["active"] not in keys:
            raise ValueError(f"{path}: the active key {stored['active']!r} is not among the keys")
        return cls(stored["active"], keys)

    def seal(self, plain: bytes, owner: str) -> bytes:
        """Return the key's id, a nonce and the ciphertext, bound to the owner's name.

        Raises:
            KeyMissing: The ring is empty.
        """
        if self.active not in self.keys:
            raise KeyMissing("this process has no keys: name their file in its settings")
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self.keys[self.active]).encrypt(nonce, plain, owner.encode())
        key_id = self.active.encode()
        return bytes([len(key_id)]) + key_id + nonce + sealed

    def reseal(self, sealed: bytes, owner: str) -> bytes:
        """Return the same under the active key; raises as `open` does."""
        return self.seal(self.open(sealed, owner), owner)

    def open(self, sealed: bytes, owner: str) -> bytes:
        """Return what `seal` was given.

        Raises:
            KeyMissing: The ring has not the key, or another one of the same id.
        """
        end = 1 + sealed[0]
        key_id = sealed[1:end].decode()
        nonce, body = sealed[end : end + NONCE_BYTES], sealed[end + NONCE_BYTES :]
        try:
            return AESGCM(self.keys[key_id]).decrypt(nonce, body, owner.encode())
        except KeyError as error:
            raise KeyMissing(f"the keys file has no key {key_id!r}") from error
        except InvalidTag as error:
            sentence = f"the key {key_id!r} of the keys file does not open what was sealed under it"
            raise KeyMissing(sentence) from error
