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
from devstack.settings import StackEnvironment, StackSettings


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
        case "token":
            await commands.token(settings, f"{arguments.region}/{arguments.role}")
        case "events":
            return await commands.events(settings, arguments.words)
        case "clean":
            await commands.clean(settings)
        case _:
            return await commands.up(settings, quiet=arguments.quiet)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack", description="The whole platform.")
    parser.add_argument(
        "--quiet", action="store_true", help="write the children's logs to files only"
    )
    parser.add_argument("--with-parent", action="store_true", help="stop when the parent dies")
    named = parser.add_subparsers(
        dest="command", metavar="up|load|verify|reseal|token|events|clean"
    )
    named.add_parser("up", help="start everything (the default)")
    loading = named.add_parser("load", help="load a folder of data into the running stack")
    loading.add_argument("--region", required=True, help="code of the region, such as 64.09")
    loading.add_argument("folder", type=Path)
    named.add_parser("verify", help="check the chain of the running stack's history")
    named.add_parser("reseal", help="seal contacts and notification targets under the active key")
    asking = named.add_parser("token", help="print a token for the running stack")
    asking.add_argument("--role", default="operator", help="such as viewer, operator, admin")
    asking.add_argument("--region", default="64.01", help="its code; * with the role admin")
    telling = named.add_parser("events", help="the operator's tool for events", add_help=False)
    telling.add_argument("words", nargs=argparse.REMAINDER)
    named.add_parser("clean", help="delete the state folder; refused while a stack uses it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
