"""The commands of `python -m devstack`, but for `outage`."""

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from devstack.backup.restoring import restore as restore_into
from devstack.backup.restoring import show
from devstack.backup.taking import take
from devstack.errors import StackRunning, TokenRefused
from devstack.network.addresses import BLOCK
from devstack.network.sites import laid_mark
from devstack.output import Output, say
from devstack.postgres import EmbeddedPostgres
from devstack.process import ProcessSpec, child_environment, run_to_end
from devstack.services import Builder, Place, Service, inventory, monitoring
from devstack.settings import StackSettings
from devstack.stack import Stack
from devstack.state import StateFolder, held, holder, require_ready
from devstack.tokens import fetch_token
from devstack.waiting import always, until

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def up(settings: StackSettings, *, quiet: bool) -> int:
    """Run the stack until a signal comes or a process cannot be kept alive; return the exit code.

    The first signal stops everything in order, the second one without patience.
    """
    state = StateFolder(settings.state_folder)
    stack = Stack(settings, Output(state.logs, None if quiet else sys.stdout.buffer))
    _stop_on_signals(stack)
    try:
        async with stack:
            say(addresses(stack))
            say(f"ready: {stack.url}")
            laying = asyncio.create_task(tell_of_laying(stack))
            try:
                name = await stack.until_given_up()
            finally:
                laying.cancel()
            say(f"{name} cannot be kept alive (see {state.logs}): stopping everything")
    except asyncio.CancelledError:
        say("stopped")
        return 0
    return 1


async def load(settings: StackSettings, region: str, folder: Path) -> None:
    """Load a folder of data into the stack that runs on the state folder.

    Raises:
        StackNotRunning: There is none, or it is still starting.
        CommandFailed: The load ended with an error.
    """
    state = StateFolder(settings.state_folder)
    await _run_command(settings, state, "load", "--region", region, str(folder))


async def verify(settings: StackSettings) -> None:
    """Check the history of the stack that runs on the state folder for changes behind its back.

    Raises:
        StackNotRunning: There is none, or it is still starting.
        CommandFailed: The chain is broken; the message names the link.
    """
    await _run_command(settings, StateFolder(settings.state_folder), "verify")


async def reseal(settings: StackSettings) -> None:
    """Seal all contacts and notification targets under the active key of the stack's keys file.

    Raises:
        StackNotRunning: There is none, or it is still starting.
        CommandFailed: The file lacks a key that some are sealed under.
    """
    for service in (inventory, monitoring):
        await _run_command(settings, StateFolder(settings.state_folder), "reseal", of=service)


async def tell(settings: StackSettings) -> None:
    """Have the running stack's inventory tell all providers, points and circuits anew.

    Raises:
        StackNotRunning: There is none, or it is still starting.
    """
    await _run_command(settings, StateFolder(settings.state_folder), "tell")


async def _run_command(
    settings: StackSettings, state: StateFolder, *words: str, of: Builder = inventory
) -> None:
    """Run a command of a service as its database's owner."""
    require_ready(state)
    service = of(Place(settings, state, EmbeddedPostgres(state.postgres), 0))
    sink = Output(terminal=sys.stdout.buffer).sink(service.name)
    await run_to_end(_command(service, words, settings.load_within_s), sink)


async def events(settings: StackSettings, words: Sequence[str]) -> int:
    """Run the operator's tool for events against the stack that runs on the state folder.

    Raises:
        StackNotRunning: There is none, or it is still starting.
    """
    state = StateFolder(settings.state_folder)
    require_ready(state)
    told: dict[str, str] = json.loads(state.addresses.read_text())
    command = (sys.executable, "-m", "common.events", *words)
    process = await asyncio.create_subprocess_exec(*command, env=child_environment(told))
    try:
        return await process.wait()
    except asyncio.CancelledError:
        return await process.wait()  # a Ctrl-C reaches the tool as well


async def token(settings: StackSettings, grant: str) -> None:
    """Print a token of the running stack's local issuer, good for one hour.

    Raises:
        StackNotRunning: There is none, or it is still starting.
        TokenRefused: There is no such grant, or the stack's issuer is not the local one.
    """
    state = StateFolder(settings.state_folder)
    require_ready(state)
    issuer = state.issuer.read_text()
    if not issuer.startswith("http"):
        raise TokenRefused(f"no token from here: {issuer}")
    say(await fetch_token(issuer, state.secrets, [grant]))


async def backup(settings: StackSettings, to: Path) -> None:
    """Back up the platform of the state folder, running or stopped.

    Raises:
        BackupRefused: There is none, or the folder is taken.
    """
    await take(StateFolder(settings.state_folder), to)


async def restore(settings: StackSettings, backup: Path, keys: Path | None, *, look: bool) -> None:
    """Make the state folder from a backup, or only look what is in it.

    Raises:
        BackupRefused: It is not whole or not for this release, or the state folder holds something.
    """
    if look:
        show(backup)
    else:
        await restore_into(backup, keys, StateFolder(settings.state_folder))


async def clean(settings: StackSettings) -> None:
    """Delete the state folder.

    Raises:
        StackRunning: A stack uses it.
        NotStateFolder: It is something else.
    """
    state = StateFolder(settings.state_folder)
    if not state.path.exists():
        return
    pid = holder(state)
    if pid is not None:
        raise StackRunning(f"process {pid} uses {state.path}: stop it first")
    async with held(state):
        state.remove()


def addresses(stack: Stack) -> str:
    """Return the block that tells where everything is."""
    place = stack.place
    rows = (
        ("gateway", stack.url),
        ("documentation", f"{stack.url}/docs"),
        ("OpenAPI", f"{stack.url}/openapi.json"),
        ("gRPC", f"{place.public_address} (plaintext, with reflection)"),
        ("issuer", place.issuer if place.settings.identity == "required" else "off"),
        ("notifications", f"http://{place.address('sink')}"),
        ("PostgreSQL", stack.postgres.url("inventory", "inventory")),
        ("NATS", stack.nats.url),
        ("lines", lines(stack)),
        ("metrics", f"http://{place.address('inventory-metrics')}/metrics (inventory)"),
        ("", f"http://{place.address('monitoring-metrics')}/metrics (monitoring)"),
        ("", f"http://{place.address('gateway-metrics')}/metrics (gateway)"),
        ("state, logs", f"{stack.state.path}"),
        *(("opened (o+x)", f"{path} for PostgreSQL's user") for path in stack.postgres.opened),
    )
    return "\n".join(("", *(f"  {name:<14} {value}" for name, value in rows), ""))


async def tell_of_laying(stack: Stack) -> None:
    """Say when the demonstration's lines are laid: by then many lines of logs have gone by."""
    laid = laid_mark(stack.state.of("network"), stack.settings.region)
    if "network" not in stack.children or stack.settings.data_folder is None or laid.exists():
        return
    say("the demonstration's lines are being laid, once; all the rest works already")

    async def done() -> bool:
        return laid.exists()

    if await until(done, stack.settings.load_within_s):
        say(f"the demonstration's lines are laid; this is {stack.url}")


def lines(stack: Stack) -> str:
    """Return where the simulated network is."""
    if "network" not in stack.children:
        return "none are simulated"
    where = f"UDP port {stack.place.port('network')} of {BLOCK}"
    return f"simulated, {where}; broken by make outage"


def _stop_on_signals(stack: Stack) -> None:
    loop = asyncio.get_running_loop()
    running = asyncio.current_task()

    def stop() -> None:
        if running is None or running.cancelling():
            stack.hurry()
            return
        say("stopping; once more to be faster")
        running.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)


def _command(service: Service, words: Sequence[str], within_s: float) -> ProcessSpec:
    return ProcessSpec(
        name=f"{service.name}-{words[0]}",
        command=service.command(*words),
        env=child_environment(service.env, service.owner_env),
        ready=always,
        ready_within_s=within_s,
    )
