"""Sends one message to one target, in a process of its own: `python -m monitoring.sending.process`.

A library that speaks with anybody's server may hang, leak or die; it does so apart, for at most
`WALL_S`. The address comes by standard input and leaves by no log. The answer is a word of
`OUTCOMES`.
"""

import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

import orjson
from apprise import Apprise, NotifyBase, NotifyFormat, NotifyType

from monitoring.domain.wording import Text
from monitoring.sending.addresses import ASSET, opened_target
from monitoring.sending.guard import Guard
from monitoring.sending.networks import Network

WALL_S = 20.0
MEMORY_BYTES = 1024 * 1024 * 1024
KEY_HEADER = "Idempotency-Key"
STATUS = re.compile(r"error[=:] ?(\d{3})\b", re.ASCII)

DELIVERED = "DELIVERED"
OUTCOMES = {
    DELIVERED: "",
    "REFUSED": "the target refused the message",
    "NOT_ALLOWED": "the address leads into a private network that the installation does not allow",
    "TIMED_OUT": f"the target did not take the message within {WALL_S:g} s",
    "BROKEN": "the process that sends ended without an answer",
}


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message for one target."""

    url: str
    text: Text
    key: str
    """The same when the same message is tried again: a header, for targets that look at it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a parcel."""

    word: str
    status: str = ""
    """The code of the target's answer, such as 401, when it is known."""

    @property
    def is_delivered(self) -> bool:
        """Tell whether the target took it."""
        return self.word == DELIVERED

    @property
    def sentence(self) -> str:
        """What went wrong, for people; holds nothing of the address."""
        return OUTCOMES[self.word] + (f" with {self.status}" if self.status else "")


def send_apart(parcel: Parcel, allowed: Sequence[Network]) -> Outcome:
    """Send the parcel; blocks until the other process ends."""
    command = [sys.executable, "-m", __name__]
    networks = [str(network) for network in allowed]
    given = orjson.dumps([parcel.url, parcel.text, parcel.key, networks])
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, timeout=WALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome("TIMED_OUT")
    word, _, status = done.stdout.decode(errors="replace").partition(" ")
    return Outcome(word, status) if word in OUTCOMES else Outcome("BROKEN")


def main() -> None:
    """Read a parcel from standard input, send it, and answer with one word and a code."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    url, text, key, networks = orjson.loads(sys.stdin.buffer.read())
    target = opened_target(url)
    if target is None:
        sys.stdout.write("REFUSED")
        return
    _mark(target, key)
    guard = Guard([ip_network(network) for network in networks])
    guard.set()
    word, status = _sent(target, Text(**text))
    sys.stdout.write(f"{'NOT_ALLOWED' if guard.has_refused else word} {status}".strip())


def _mark(target: NotifyBase, key: str) -> None:
    """Let the target see when the same message comes again, where it takes headers."""
    headers = getattr(target, "headers", None)
    if isinstance(headers, dict):
        headers.setdefault(KEY_HEADER, key)


def _sent(target: NotifyBase, text: Text) -> tuple[str, str]:
    kind = NotifyType.SUCCESS if text.is_over else NotifyType.WARNING
    sender = Apprise(target, asset=ASSET)
    result = sender.notify(text.body, text.title, notify_type=kind, body_format=NotifyFormat.TEXT)
    if result:
        return DELIVERED, ""
    codes = [found[1] for entry in result.logs() if (found := STATUS.search(entry.message))]
    return "REFUSED", codes[-1] if codes else ""


if __name__ == "__main__":
    main()
