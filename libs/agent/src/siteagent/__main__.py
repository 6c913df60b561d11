"""The commands of the agent: `siteagent enrol`, `siteagent run`, `siteagent status`."""

import argparse
import asyncio
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from siteagent.budget import Budget
from siteagent.buffer import Buffer
from siteagent.checks import Recorder, run_check
from siteagent.clock import Clock
from siteagent.keys import Identity, WrongIdentity, enrolled, load_identity, pending_key
from siteagent.sender import Sender
from siteagent.server import Refused, Server, Unreachable
from siteagent.settings import Settings, SettingsWrong, read_settings
from siteagent.status import status_text
from siteagent.store import Store
from siteagent.throughput import Throughput

STORE = "siteagent.db"
LOG = logging.getLogger(__name__)
WRONG = (SettingsWrong, WrongIdentity, Refused, Unreachable, OSError)


class RunsAlready(WrongIdentity):
    """Another process is this agent."""


def run_command() -> int:
    """Run the command of this process."""
    return main(sys.argv[1:])


def main(words: Sequence[str]) -> int:
    """Run a command; what is wrong is said, and returned as 1."""
    given = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        given.act(given)
    except WRONG as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("siteagent", description="The probe at a site.")
    parser.add_argument("--state", type=Path, default=Path("/var/lib/siteagent"))
    commands = parser.add_subparsers(required=True)
    enrol = commands.add_parser("enrol", help="make a key and give it to the server")
    for name in ("--url", "--agent", "--code"):
        enrol.add_argument(name, required=True)
    enrol.set_defaults(act=_enrol)
    run = commands.add_parser("run", help="measure and send until SIGTERM")
    run.add_argument("--settings", type=Path, default=Path("/etc/siteagent.toml"))
    run.set_defaults(act=_run)
    status = commands.add_parser("status", help="say what waits and what was sent")
    status.set_defaults(act=_status)
    return parser


def _enrol(given: argparse.Namespace) -> None:
    identity = Identity(given.url, given.agent)
    if identity.wrong():
        raise WrongIdentity("\n".join(identity.wrong()))
    given.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    key, pending = pending_key(given.state, given.code)

    async def enrol() -> None:
        async with httpx.AsyncClient() as client:
            await Server(client, identity, key).enrol(given.code)

    asyncio.run(enrol())
    enrolled(given.state, identity, pending)
    sys.stdout.write(f"{identity.agent} is enrolled\n")


def _run(given: argparse.Namespace) -> None:
    settings = read_settings(given.settings)
    load_identity(given.state)
    with _alone(given.state), _open(given.state) as store, suppress(asyncio.CancelledError):
        asyncio.run(_until_told(settings, given.state, store))


def _status(given: argparse.Namespace) -> None:
    identity, _ = load_identity(given.state)
    with _open(given.state) as store:
        sys.stdout.write(status_text(identity, store))


async def _until_told(settings: Settings, folder: Path, store: Store) -> None:
    """Measure and send until SIGTERM or SIGINT; what is not sent waits for the next start."""
    running = asyncio.ensure_future(_measure_and_send(settings, folder, store))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    await running


async def _measure_and_send(settings: Settings, folder: Path, store: Store) -> None:
    identity, key = load_identity(folder)
    clock, buffer, told = Clock(), Buffer(store, settings.buffer), asyncio.Event()
    recorder = Recorder(buffer, clock, identity.source, told)
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as tasks:
        sender = Sender(buffer, Server(client, identity, key), clock, told=told)
        tasks.create_task(sender.run())
        for check in settings.checks:
            tasks.create_task(run_check(check, recorder))
        if settings.throughput:
            budget = Budget(store, settings.throughput.month_bytes)
            test = Throughput(settings.throughput, budget, clock, client)
            tasks.create_task(test.run(recorder))
        LOG.info("%s runs %d checks", identity.agent, len(settings.checks))


@contextmanager
def _open(folder: Path) -> Iterator[Store]:
    store = Store(folder / STORE)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only process that runs with this folder; the lock ends with the process."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunsAlready(f"another siteagent runs with {folder}") from error
        yield
    finally:
        os.close(lock)


if __name__ == "__main__":
    sys.exit(run_command())
