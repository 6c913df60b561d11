import os
import socket
from pathlib import Path

import pytest
from devstack.errors import PortBusy, StackRunning
from devstack.ports import free_ports, require_free
from devstack.state import StateFolder, held, holder
from devstack.testing import Outsiders

HOLDS_AND_LEAVES_A_CHILD = """
import asyncio, pathlib, subprocess, sys
from devstack.state import StateFolder, held
async def main():
    async with held(StateFolder(pathlib.Path(sys.argv[1]))) as lock:
        subprocess.Popen(["sleep", "2"], pass_fds=[lock], stdout=-3, stderr=-3)
        print("held", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_a_second_holder_is_told_who_holds_the_folder(folder: Path) -> None:
    state = StateFolder(folder)
    async with held(state):
        assert holder(state) == os.getpid()
        with pytest.raises(StackRunning, match=rf"process {os.getpid()}\. .*DATA="):
            async with held(state):
                pass
        assert holder(state) == os.getpid()
    assert holder(state) is None


async def test_a_killed_holder_counts_until_its_last_process_ended(
    folder: Path, outside: Outsiders
) -> None:
    killed = await outside("-c", HOLDS_AND_LEAVES_A_CHILD, str(folder))
    await killed.line("held")
    killed.see_below()
    killed.process.kill()
    await killed.process.wait()
    assert killed.left()
    async with held(StateFolder(folder)):
        assert not killed.left()


def test_a_busy_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortBusy, match=rf"port {port} of 127\.0\.0\.1 is in use .*PORT="):
            require_free("127.0.0.1", port, "choose another one with PORT=...")


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20
