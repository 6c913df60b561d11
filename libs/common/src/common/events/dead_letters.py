"""Dead letters: events that a consumer could not handle, kept until somebody decides."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg

from common.events.bus import Bus

STREAM = "DEAD"
MAX_ERROR = 1000
ERROR, TRIES, CONSUMER, SUBJECT = (
    "smartcity-error",
    "smartcity-tries",
    "smartcity-consumer",
    "smartcity-subject",
)
NOTE = "smartcity-note"
OURS = (ERROR, TRIES, CONSUMER, SUBJECT, "Nats-Msg-Id")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead event as the stream keeps it; `number` is its place in the stream."""

    number: int
    consumer: str
    subject: str
    error: str
    tries: int
    headers: dict[str, str]
    body: bytes


async def bury(bus: Bus, consumer: str, message: Msg, error: str, tries: int) -> None:
    """Store a message that cannot be handled, with its headers and the error."""
    headers = dict(message.headers or {})
    subject = message.subject.removeprefix(f"replay.{consumer}.")
    told = plain(error)
    ours = {ERROR: told, TRIES: str(tries), CONSUMER: consumer, SUBJECT: subject}
    identity = headers.get("Nats-Msg-Id", "")
    if identity:
        ours["Nats-Msg-Id"] = f"dead {consumer} {identity}"
    headers |= ours
    body = message.data
    if len(body) + sum(len(f"{n}: {v}  ".encode()) for n, v in headers.items()) > bus.max_payload:
        headers[NOTE], body = f"a body of {len(body)} bytes is left out", b""
    await bus.jetstream.publish(f"dead.{consumer}.{subject}", body, stream=STREAM, headers=headers)


def plain(error: str) -> str:
    """Return an error's text on one line, without what no header and no database takes."""
    text = error.encode("utf-8", "replace").decode().replace("\0", "?")
    return " ".join(text.split())[:MAX_ERROR]


async def dead_letters(bus: Bus) -> AsyncIterator[DeadLetter]:
    """Yield all dead letters, the oldest first."""
    info = await bus.jetstream.stream_info(STREAM)
    number = max(info.state.first_seq, 1)
    while info.state.messages and number <= info.state.last_seq:
        letter = await dead_letter(bus, number)
        if letter is not None:
            yield letter
        number += 1


async def dead_letter(bus: Bus, number: int) -> DeadLetter | None:
    """Return the dead letter with this number, or None when there is none."""
    try:
        stored = await bus.jetstream.get_msg(STREAM, seq=number)
    except nats.js.errors.NotFoundError:
        return None
    headers = dict(stored.headers or {})
    return DeadLetter(
        number=number,
        consumer=headers.get(CONSUMER, ""),
        subject=headers.get(SUBJECT, ""),
        error=headers.get(ERROR, ""),
        tries=int(headers.get(TRIES, "0")),
        headers={name: value for name, value in headers.items() if name not in OURS},
        body=stored.data or b"",
    )


async def replay(bus: Bus, letter: DeadLetter) -> None:
    """Send a dead letter to its consumer again, then take it out of the dead letters."""
    await send_again(bus, letter.consumer, letter.subject, letter.headers, letter.body)
    await discard(bus, letter.number)


async def discard(bus: Bus, number: int) -> None:
    """Delete a dead letter for good."""
    await bus.jetstream.delete_msg(STREAM, number)


async def send_again(
    bus: Bus, consumer: str, subject: str, headers: dict[str, str], body: bytes
) -> None:
    """Send an event to one consumer; one that it has handled changes nothing."""
    kept = {name: value for name, value in headers.items() if name != "Nats-Msg-Id"}
    await bus.jetstream.publish(
        f"replay.{consumer}.{subject}", body, stream="REPLAYS", headers=kept
    )
