"""A child process that never outlives the process that started it."""

import ctypes
import os
import pwd
import signal
import sys
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections.abc import Callable, Mapping, Sequence

PR_SET_PDEATHSIG = 1  # prctl(2)


async def start_child(  # noqa: PLR0913 - each is one word of the kernel's
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    on_parent_death: signal.Signals = signal.SIGTERM,
    user: int | None = None,
    output: int | None = None,
    keep: Sequence[int] = (),
) -> Process:
    """Start `command` in a session of its own, so that a Ctrl-C reaches only its parent.

    On Linux the kernel sends it `on_parent_death` when this process dies, however it dies; call
    from the main thread, since the kernel watches the thread. `output` is where standard output
    and standard error go (as in `subprocess`), `user` the numeric id to run under, with that
    user's own group and no other; `keep` names the descriptors that it inherits.
    """
    return await create_subprocess_exec(
        *command,
        env=dict(env),
        stdin=DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        user=user,
        group=None if user is None else pwd.getpwuid(user).pw_gid,
        extra_groups=None if user is None else (),
        pass_fds=tuple(keep),
        preexec_fn=_leash(on_parent_death),
    )


def die_with_parent(death_signal: signal.Signals) -> None:
    """Have the kernel send this process `death_signal` when its parent dies (Linux only)."""
    leash = _leash(death_signal, parent=os.getppid())
    if leash is not None:
        leash()


def _leash(death_signal: signal.Signals, parent: int | None = None) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    expected = os.getpid() if parent is None else parent

    def tie() -> None:
        # After the change of user, which would clear it; the parent may be gone already.
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != expected:
            os._exit(1)

    return tie
