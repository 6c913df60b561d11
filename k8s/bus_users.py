"""The users of the bus and how their seeds are made."""

import os

import nkeys
from environment import Environment

SEED_BYTES = 32
PLATFORM_USER, SYSTEM_USER = "platform", "sys"


def users(environment: Environment) -> list[str]:
    """Return the names of the bus's users."""
    return [PLATFORM_USER, SYSTEM_USER, *environment.agencies]


def new_seed() -> bytes:
    """Return the nkey seed of a new user: `SU` and 56 characters."""
    return bytes(nkeys.encode_seed(os.urandom(SEED_BYTES), nkeys.PREFIX_BYTE_USER))
