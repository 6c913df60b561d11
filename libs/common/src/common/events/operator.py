"""The operator's tool: what flows, what waits, what died, and how to send it again.

`python -m common.events tail|lag|dead|replay|rewind|apply`; `make events` runs it against the
local stack.
"""

import argparse
import asyncio
import importlib.resources
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import nats.errors
import nats.js.errors
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from common.events import dead_letters as dead
from common.events.bus import Bus, bus_of
from common.events.event import Event, EventUnreadable, event_from, message_of
from common.events.relay import measure
from common.events.settings import OperatorSettings
from common.postgres.database import open_database
from common.setting_kinds import without_secrets
from common.settings import load

CONNECT_S = 5.0
SILENCE_S = 0.5
Command = Callable[[Bus, OperatorSettings, argparse.Namespace], Awaitable[int]]


async def run(words: Sequence[str]) -> int:
    """Run the command that the words name; return the exit code."""
    options = _parser().parse_args(words)
    settings = load(OperatorSettings)
    async with bus_of(settings) as bus:
        try:
            await asyncio.wait_for(bus.connected.wait(), CONNECT_S)
        except TimeoutError:
            where = without_secrets(settings.nats_url)
            sys.stderr.write(
                f"no bus answers at {where} (SMARTCITY_NATS_URL): {bus.last_error or 'silence'}\n"
            )
            return 1
        command: Command = options.run
        try:
            return await command(bus, settings, options)
        except nats.js.errors.NotFoundError:
            sys.stderr.write("the bus has no such stream; `apply` makes them\n")
            return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="events", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="tail|lag|dead|replay|rewind|apply")
    tail = commands.add_parser("tail", help="show events as they come")
    tail.add_argument("--region", default="", help="only this region, as 64.01")
    tail.add_argument("--type", default="*", help="only types like this: *.point.*")
    tail.add_argument("--resource", default="*", help="only resources like this: */points/PSR-*")
    tail.add_argument("--since", type=_time, help="begin then (ISO 8601), not now")
    tail.add_argument("--count", type=int, default=0, help="end after so many")
    tail.add_argument("--json", action="store_true", help="one JSON object a line, with the body")
    tail.add_argument("--stream", default="INVENTORY")
    tail.set_defaults(run=_tail)
    lag = commands.add_parser("lag", help="show what waits in the outboxes and before consumers")
    lag.set_defaults(run=_lag)
    _add_dead(commands.add_parser("dead", help="look at dead letters, send or discard them"))
    again = commands.add_parser("replay", help="send a span of time to one consumer again")
    again.add_argument("--consumer", required=True)
    again.add_argument("--since", type=_time, required=True, help="ISO 8601, UTC when unsaid")
    again.add_argument("--until", type=_time, help="ISO 8601; now when not given")
    again.add_argument("--stream", default="INVENTORY")
    again.add_argument("--dry-run", action="store_true", help="only count")
    again.set_defaults(run=_replay)
    rewind = commands.add_parser("rewind", help="let consumers read their whole stream again")
    rewind.add_argument("--consumer", required=True, help="such as monitoring-columns-*")
    rewind.add_argument("--stream", required=True, help="such as TELEMETRY")
    rewind.add_argument("--dry-run", action="store_true", help="only say which")
    rewind.set_defaults(run=_rewind)
    apply = commands.add_parser("apply", help="create or change the streams as streams.toml says")
    apply.set_defaults(run=_apply)
    return parser


def _add_dead(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="list|show|replay|discard")
    listing = actions.add_parser("list", help="all dead letters")
    listing.set_defaults(run=_dead_list)
    for name, verb in (("show", _dead_show), ("replay", _dead_replay), ("discard", _dead_discard)):
        action = actions.add_parser(name)
        action.add_argument("number", type=int, nargs="*" if name != "show" else 1)
        if name != "show":
            action.add_argument("--all", action="store_true", help="every one there is")
            action.add_argument("--consumer", default="*", help="with --all: only of this consumer")
        action.set_defaults(run=verb)


async def _tail(bus: Bus, _: OperatorSettings, options: argparse.Namespace) -> int:
    shown = 0
    async with aclosing(_messages(bus, options.stream, options.since)) as messages:
        async for message in messages:
            event = _event(message)
            if event is None or not _is_wanted(event, options):
                continue
            sys.stdout.write((_as_json(event) if options.json else _as_line(event)) + "\n")
            sys.stdout.flush()
            shown += 1
            if shown == options.count:
                break
    return 0


async def _lag(bus: Bus, settings: OperatorSettings, _: argparse.Namespace) -> int:
    table = Table("what", "waiting", "oldest")
    password = settings.database_password_file
    for name, url in settings.databases().items():
        async with (
            open_database(url, size=1, password_file=password) as database,
            database.read() as connection,
        ):
            pending, age_s = await measure(connection, name)
        table.add_row(name, str(pending), f"{age_s:.1f} s" if pending else "")
    for stream in await bus.jetstream.streams_info():
        name = str(stream.config.name)
        for info in await bus.jetstream.consumers_info(name):
            unseen = f"{info.num_pending} unseen, {info.num_ack_pending} under way"
            table.add_row(f"{name}: {info.name}", unseen, "")
    buried = await bus.jetstream.stream_info(dead.STREAM)
    table.add_row("dead letters", str(buried.state.messages), "")
    Console().print(table)
    return 0


async def _dead_list(bus: Bus, _: OperatorSettings, __: argparse.Namespace) -> int:
    table = Table("number", "consumer", "type", "resource", "tries", "error")
    async for letter in dead.dead_letters(bus):
        about = letter.headers.get("ce-type", letter.subject), letter.headers.get("ce-subject", "")
        table.add_row(str(letter.number), letter.consumer, *about, str(letter.tries), letter.error)
    Console().print(table if table.row_count else "no dead letters")
    return 0


async def _dead_show(bus: Bus, _: OperatorSettings, options: argparse.Namespace) -> int:
    letter = await dead.dead_letter(bus, options.number[0])
    if letter is None:
        return _no_letter(options.number[0])
    shown: dict[str, Any] = {
        "number": letter.number,
        "consumer": letter.consumer,
        "tries": letter.tries,
        "error": letter.error,
        "headers": letter.headers,
        "body": _body(letter.headers.get("ce-type", ""), letter.body),
    }
    Console().print_json(json.dumps(shown))
    return 0


async def _dead_replay(bus: Bus, _: OperatorSettings, options: argparse.Namespace) -> int:
    return await _each_letter(bus, options, dead.replay, "sent again")


async def _dead_discard(bus: Bus, _: OperatorSettings, options: argparse.Namespace) -> int:
    async def discard(bus: Bus, letter: dead.DeadLetter) -> None:
        await dead.discard(bus, letter.number)

    return await _each_letter(bus, options, discard, "discarded")


async def _each_letter(
    bus: Bus,
    options: argparse.Namespace,
    act: Callable[[Bus, dead.DeadLetter], Awaitable[None]],
    done: str,
) -> int:
    letters = []
    if options.all:
        letters = [one async for one in dead.dead_letters(bus)]
        letters = [one for one in letters if fnmatchcase(one.consumer, options.consumer)]
    for number in options.number:
        letter = await dead.dead_letter(bus, number)
        if letter is None:
            return _no_letter(number)
        letters.append(letter)
    with Progress(disable=len(letters) < 2) as progress:  # noqa: PLR2004 - one needs no bar
        for letter in progress.track(letters):
            await act(bus, letter)
    Console().print(f"{len(letters)} {done}")
    return 0


async def _replay(bus: Bus, _: OperatorSettings, options: argparse.Namespace) -> int:
    name = options.consumer
    try:
        await bus.jetstream.consumer_info("REPLAYS", f"{name}-replays")
    except (nats.js.errors.NotFoundError, nats.js.errors.BadRequestError, ValueError):
        sys.stderr.write(f"there is no consumer {name!r}; `lag` lists all\n")
        return 1
    count = 0
    follow = _span(bus, options.stream, options.since, options.until or datetime.now(UTC))
    with Progress(transient=True) as progress:
        task = progress.add_task("sending again", total=None)
        async with aclosing(follow) as messages:
            async for message in messages:
                count += 1
                progress.update(task, advance=1)
                if not options.dry_run:
                    await _send(bus, name, message)
    verb = "would be sent" if options.dry_run else "sent"
    Console().print(f"{count} events {verb} to {name}; it skips what it has handled")
    return 0


async def _send(bus: Bus, consumer: str, message: Msg) -> None:
    headers = dict(message.headers or {})
    await dead.send_again(bus, consumer, message.subject, headers, message.data)


async def _rewind(bus: Bus, _: OperatorSettings, options: argparse.Namespace) -> int:
    """Delete the consumers: each subscription makes its own anew, from the stream's beginning."""
    every = [str(info.name) for info in await bus.jetstream.consumers_info(options.stream)]
    names = sorted(name for name in every if fnmatchcase(name, options.consumer))
    if not names:
        sys.stderr.write(f"there is no consumer {options.consumer!r}; `lag` lists all\n")
        return 1
    if not options.dry_run:
        for name in names:
            await bus.jetstream.delete_consumer(options.stream, name)
    held = (await bus.jetstream.stream_info(options.stream)).state.messages
    verb = "would be" if options.dry_run else "are"
    again = f"{held} messages of {options.stream} {verb} read again by {', '.join(names)}"
    Console().print(f"{again}; each skips what it has")
    return 0


async def _apply(bus: Bus, _: OperatorSettings, __: argparse.Namespace) -> int:
    Console().print("streams: " + ", ".join(await bus.apply_streams()))
    return 0


async def _span(bus: Bus, stream: str, since: datetime, end: datetime) -> AsyncGenerator[Msg, None]:
    """Yield a stream's messages between two times, up to the last that it has now."""
    info = await bus.jetstream.stream_info(stream)
    last = info.state.last_seq
    if not info.state.messages or since > datetime.now(UTC):
        return
    async with aclosing(_messages(bus, stream, since)) as messages:
        async for message in messages:
            if message.metadata.timestamp > end:
                return
            yield message
            if message.metadata.sequence.stream >= last:
                return


async def _messages(bus: Bus, stream: str, since: datetime | None) -> AsyncGenerator[Msg, None]:
    """Yield a stream's messages from then on, for ever."""
    config = ConsumerConfig(deliver_policy=DeliverPolicy.NEW)
    if since is not None:
        config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=since)
    follow = await bus.jetstream.subscribe(">", stream=stream, ordered_consumer=True, config=config)
    try:
        while True:
            with suppress(nats.errors.TimeoutError, TimeoutError):
                yield await follow.next_msg(SILENCE_S)
    finally:
        await follow.unsubscribe()


def _event(message: Msg) -> Event | None:
    try:
        return event_from(message.headers, message.data)
    except EventUnreadable:
        return None


def _is_wanted(event: Event, options: argparse.Namespace) -> bool:
    return (
        options.region in ("", event.region)
        and fnmatchcase(event.type, options.type)
        and fnmatchcase(event.resource, options.resource)
    )


def _as_line(event: Event) -> str:
    time = event.time.isoformat(timespec="milliseconds")
    return f"{time}  {event.type}  {event.resource}  #{event.sequence}"


def _as_json(event: Event) -> str:
    return json.dumps(event.headers() | {"body": _body(event.type, event.body)})


def _body(event_type: str, body: bytes) -> Any:
    """Return the body as JSON, or its bytes in hexadecimal when its message is not known here."""
    try:
        kind = message_factory.GetMessageClass(
            _published().FindMessageTypeByName(message_of(event_type))
        )
        return json_format.MessageToDict(kind.FromString(body))
    except (KeyError, ValueError, DecodeError):
        return body.hex()


@cache
def _published() -> descriptor_pool.DescriptorPool:
    """Return all messages of the published contract, whichever service's they are."""
    packed = importlib.resources.files("smartcity").joinpath("descriptors.binpb").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(packed).file:
        pool.Add(file)
    return pool


def _no_letter(number: int) -> int:
    sys.stderr.write(f"there is no dead letter {number}; `dead list` shows all\n")
    return 1


def _time(text: str) -> datetime:
    given = datetime.fromisoformat(text)
    return given if given.tzinfo else given.replace(tzinfo=UTC)
