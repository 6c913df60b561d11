"""One-time codes and signatures: by what an agent is believed to be itself."""

import hmac
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CODE_BYTES = 15
CODE_LIVES = timedelta(hours=24)
GROUP = 6
UNREAD = str.maketrans("", "", "- \t")
ENROLMENT = b"smartcity agent enrolment v1\n"
BATCH = b"smartcity agent batch v1\n"
"""What stands before the signed bytes, so that a signature of one kind is none of the other."""
NOBODYS_KEY = bytes.fromhex("3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29")
"""Asked in place of a key that is not there, so that the time of an answer tells nothing."""
NO_CODE = bytes(32)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an agent is known by: a key, the hash of a code that may still be used, or nothing."""

    state: str
    public_key: bytes | None = None
    code_hash: bytes | None = None
    code_expires: datetime | None = None

    def takes_code(self, code: str, now: datetime) -> bool:
        """Tell whether the code is the right one and may still be used."""
        same = hmac.compare_digest(code_hash(code), self.code_hash or NO_CODE)
        return same and self.code_expires is not None and now < self.code_expires

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Tell whether the agent's key signed the message."""
        known = is_signed(self.public_key or NOBODYS_KEY, message, signature)
        return known and self.public_key is not None


NOBODY = Credentials("")
"""Of an agent that does not exist."""


def new_code(random: bytes) -> str:
    """Return a code of 120 random bits: four groups of six letters and digits."""
    text = b32encode(random).decode()
    return "-".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))


def code_hash(code: str) -> bytes:
    """Return the hash of a code; dashes, blanks and the letters' case do not matter.

    One round of SHA-256 is enough: nobody can try 2^120 codes.
    """
    return sha256(code.translate(UNREAD).upper().encode()).digest()


def proves_key(public_key: bytes, name: str, code: str, proof: bytes) -> bool:
    """Tell whether whoever enrols holds the private key."""
    return is_signed(public_key, ENROLMENT + f"{name}\n{code}".encode(), proof)


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether the signature of the message is the key's (Ed25519, RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
