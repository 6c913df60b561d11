"""A child process that never outlives the process that started it."""

import ctypes
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections.abc import Callable, Mapping, Sequence

PR_SET_PDEATHSIG = 1  # prctl(2)


async def start_child(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    on_parent_death: signal.Signals = signal.SIGTERM,
    user: int | None = None,
    output: int | None = None,
) -> Process:
    """Start `command` in a session of its own, so that a Ctrl-C reaches only its parent.

    On Linux the kernel sends it `on_parent_death` when this process dies, however it dies; call
    from the main thread, since the kernel watches the thread. `output` is where standard output
    and standard error go (as in `subprocess`), `user` the numeric id to run under.
    """
    return await create_subprocess_exec(
        *command,
        env=dict(env),
        stdin=DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        user=user,
        preexec_fn=_leash(on_parent_death),
    )


def _leash(death_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        # After the change of user, which would clear it; the parent may be gone already.
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie
