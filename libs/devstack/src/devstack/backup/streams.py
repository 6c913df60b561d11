"""Streams in files, by JetStream's own snapshots, for which nats-py has no calls.

Subjects, flow control and messages are those of JetStream's API, as the `nats` command line speaks
it: the server sends pieces and waits for their acknowledgements, an empty message is the end.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from devstack.backup.archive import Stream
from devstack.errors import BackupRefused

TAKE, PUT = "$JS.API.STREAM.SNAPSHOT", "$JS.API.STREAM.RESTORE"
WITHIN_S = 30.0
STORED_WITHIN_S = 600.0
PIECE = 128 * 1024
DONE = "204"
TRIES = 5
REPLAYS, DEAD = "REPLAYS", "DEAD"
Tell = Callable[[str], None]


async def take_all(client: Client, folder: Path, tell: Tell) -> list[Stream]:
    """Write every stream to `<folder>/<name>`, so that no message falls between two of them.

    A consumer buries an event in DEAD before it acknowledges it, so DEAD comes after what is
    consumed. An operator's replay goes the other way, from DEAD to REPLAYS: these two are taken
    again when a letter left meanwhile.

    Raises:
        BackupRefused: A stream could not be read whole, or letters leave all the time.
    """
    names = {str(info.config.name) for info in await client.jetstream().streams_info()}
    first = [await _take(client, name, folder, tell) for name in sorted(names - {REPLAYS, DEAD})]
    last = sorted(names & {REPLAYS, DEAD}, reverse=True)
    for _ in range(TRIES):
        left = await _letters_left(client, names)
        taken = [await _take(client, name, folder, tell) for name in last]
        if left == await _letters_left(client, names):
            return first + taken
    raise BackupRefused("dead letters are being replayed all the time: back up later")


async def _letters_left(client: Client, names: set[str]) -> int:
    """Return how many dead letters have been taken out."""
    if DEAD not in names:
        return 0
    state = (await client.jetstream().stream_info(DEAD)).state
    return int(state.last_seq - state.messages)


async def _take(client: Client, name: str, folder: Path, tell: Tell) -> Stream:
    inbox = client.new_inbox()
    pieces = await client.subscribe(inbox)
    try:
        asked = json.dumps({"deliver_subject": inbox, "jsck": True}).encode()
        answer = _checked(name, (await client.request(f"{TAKE}.{name}", asked, WITHIN_S)).data)
        with (folder / name).open("wb") as file:
            while (piece := await pieces.next_msg(WITHIN_S)).data:
                file.write(piece.data)
                if piece.reply:
                    await client.publish(piece.reply, b"")
    finally:
        await pieces.unsubscribe()
    if (piece.headers or {}).get("Status", DONE) != DONE:
        raise BackupRefused(f"stream {name} was not read to its end: {piece.headers}")
    stream = Stream(config=answer["config"], state=answer["state"])
    tell(f"stream {name}: {stream.state['messages']:,} messages")
    return stream


async def put(client: Client, stream: Stream, file: Path) -> None:
    """Make a stream and its consumers from a file.

    A consumer may be ahead of the messages, which were read before it: what is told next would get
    the numbers that it has passed. Such a one is deleted; its process makes it anew, gets all
    messages again, and its inbox or the primary key knows them.

    Raises:
        BackupRefused: The server does not take it.
    """
    asked = stream.model_dump_json().encode()
    begun = _checked(stream.name, (await client.request(f"{PUT}.{stream.name}", asked)).data)
    with file.open("rb") as content:
        while piece := content.read(PIECE):
            answer = await client.request(begun["deliver_subject"], piece, WITHIN_S)
            if answer.data:
                _checked(stream.name, answer.data)
    end = await client.request(begun["deliver_subject"], b"", STORED_WITHIN_S)
    state = _checked(stream.name, end.data)["state"]
    if state["messages"] < stream.state["messages"]:
        raise BackupRefused(f"stream {stream.name} has {state['messages']} messages only")
    await drop_consumers_ahead(client, stream.name, int(state["last_seq"]))


async def drop_consumers_ahead(client: Client, name: str, last: int) -> None:
    """Delete the consumers that are further than the stream's last message."""
    jetstream = client.jetstream()
    for info in await jetstream.consumers_info(name):
        places = [place.stream_seq for place in (info.delivered, info.ack_floor) if place]
        if max(places, default=0) > last:
            await jetstream.delete_consumer(name, info.name)


def _checked(name: str, answer: bytes) -> dict[str, Any]:
    """Return the server's answer unless it is an error."""
    found: dict[str, Any] = json.loads(answer)
    if "error" in found:
        raise BackupRefused(f"stream {name}: {found['error'].get('description', found['error'])}")
    return found
