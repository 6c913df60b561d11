"""`python -m devstack`: the whole platform in one command."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from common.child import die_with_parent
from common.settings import load as load_settings

from devstack import commands
from devstack.errors import StackError
from devstack.network.outage import Asked, outage
from devstack.settings import StackEnvironment, StackSettings
from devstack.state import StateFolder


def main() -> int:
    """Run the command that the arguments name; errors of ours are one message and exit 1."""
    arguments = _parser().parse_args()
    settings = load_settings(StackEnvironment).stack
    if arguments.with_parent:
        die_with_parent(signal.SIGTERM)
    try:
        return asyncio.run(_run(arguments, settings))
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1


async def _run(arguments: argparse.Namespace, settings: StackSettings) -> int:
    match arguments.command:
        case "load":
            await commands.load(settings, arguments.region, arguments.folder)
        case "verify":
            await commands.verify(settings)
        case "reseal":
            await commands.reseal(settings)
        case "tell":
            await commands.tell(settings)
        case "token":
            await commands.token(settings, f"{arguments.region}/{arguments.role}")
        case "events":
            return await commands.events(settings, arguments.words)
        case "outage":
            outage(StateFolder(settings.state_folder), _asked(arguments))
        case "backup" | "restore":
            await _keep(arguments, settings)
        case "clean":
            await commands.clean(settings)
        case _:
            return await commands.up(settings, quiet=arguments.quiet)
    return 0


async def _keep(arguments: argparse.Namespace, settings: StackSettings) -> None:
    if arguments.command == "backup":
        await commands.backup(settings, arguments.to)
    else:
        look = bool(arguments.look)
        await commands.restore(settings, arguments.backup, arguments.keys, look=look)


def _asked(arguments: argparse.Namespace) -> Asked:
    return Asked(arguments.action, arguments.point, arguments.district, arguments.minutes)


def _path(text: str) -> Path:
    return Path(text).absolute()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack", description="The whole platform.")
    parser.add_argument(
        "--quiet", action="store_true", help="write the children's logs to files only"
    )
    parser.add_argument("--with-parent", action="store_true", help="stop when the parent dies")
    named = parser.add_subparsers(
        dest="command",
        metavar="up|load|verify|reseal|tell|token|events|outage|backup|restore|clean",
    )
    named.add_parser("up", help="start everything (the default)")
    loading = named.add_parser("load", help="load a folder of data into the running stack")
    loading.add_argument("--region", required=True, help="code of the region, such as 64.09")
    loading.add_argument("folder", type=Path)
    named.add_parser("verify", help="check the chain of the running stack's history")
    named.add_parser("reseal", help="seal contacts and notification targets under the active key")
    named.add_parser("tell", help="tell all districts, providers, points and circuits anew")
    asking = named.add_parser("token", help="print a token for the running stack")
    asking.add_argument("--role", default="operator", help="such as viewer, operator, admin")
    asking.add_argument("--region", default="64.01", help="its code; * with the role admin")
    telling = named.add_parser("events", help="the operator's tool for events", add_help=False)
    telling.add_argument("words", nargs=argparse.REMAINDER)
    breaking = named.add_parser("outage", help="break lines of the simulated network")
    breaking.add_argument("action", nargs="?", choices=("begin", "list", "end"), default="begin")
    breaking.add_argument("--point", default="", help="its id, such as DES-64.01.06.2012")
    breaking.add_argument("--district", default="", help="its code or name, such as 64.01.06")
    breaking.add_argument("--minutes", default="", help="0.1 to 1440; 10 when it is not said")
    saving = named.add_parser("backup", help="back up the platform, running or stopped")
    saving.add_argument("to", type=_path, help="a new folder; its keys go to <folder>.keys.json")
    making = named.add_parser("restore", help="make a fresh state folder from a backup")
    making.add_argument("backup", type=_path)
    making.add_argument("--keys", type=_path, help="where its keys are, unless beside it")
    making.add_argument("--look", action="store_true", help="check it and say what it holds")
    named.add_parser("clean", help="delete the state folder; refused while a stack uses it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
