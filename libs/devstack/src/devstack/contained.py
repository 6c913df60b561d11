"""A process as a container holds it: a user of no name, a read-only root, no program but its own.

That needs Linux and root with the right to mount. With root alone it has the user, and without
root it runs as we do: then only the modes of its tree protect that.
"""

import os
import shutil
import subprocess
from asyncio.subprocess import PIPE, STDOUT, Process, create_subprocess_exec
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

USER = 65532
"""The number that the images run as; no entry of /etc/passwd has it."""
CONFINE = """
set -eu
mount=$1 setpriv=$2
shift 2
while read -r _ _ _ _ place _; do
  "$mount" -o remount,bind,ro "$place" 2>/dev/null || true
done </proc/self/mountinfo
while [ "$1" != -- ]; do
  "$mount" --bind "$1" "$1"
  "$mount" -o remount,bind,rw "$1"
  shift
done
shift
for programs in /usr/local/bin /usr/sbin /usr/bin; do
  "$mount" -t tmpfs -o ro,mode=755 none "$programs"
done
exec "$setpriv" --reuid 65532 --regid 65532 --clear-groups --no-new-privs \
  --bounding-set=-all --inh-caps=-all --pdeathsig KILL "$@"
"""
TRIAL_S = 20


async def start_contained(
    command: Sequence[str],
    env: Mapping[str, str],
    tools: Path,
    writable: Sequence[Path] = (),
) -> Process:
    """Start `command`, which may write to the folders of `writable` and nowhere else.

    `tools` is a folder of ours that its user can enter; what hides the machine's programs takes
    one along there. Standard output and standard error come as one pipe.
    """
    is_root = os.geteuid() == 0
    for folder in writable if is_root else ():
        os.chown(folder, USER, USER)
    if can_confine():
        words = _confined(command, tools, writable)
        return await create_subprocess_exec(*words, env=dict(env), stdout=PIPE, stderr=STDOUT)
    user = USER if is_root else None
    others = () if is_root else None
    return await create_subprocess_exec(
        *command,
        env=dict(env),
        stdout=PIPE,
        stderr=STDOUT,
        user=user,
        group=user,
        extra_groups=others,
    )


@cache
def can_confine() -> bool:
    """Tell whether the kernel lets us make file systems of our own for a process."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "mount", "setpriv"))):
        return False
    words = (*_unshare(), _found("mount"), "-o", "remount,bind,ro", "/")
    return subprocess.run(words, check=False, capture_output=True, timeout=TRIAL_S).returncode == 0


def _confined(command: Sequence[str], tools: Path, writable: Sequence[Path]) -> tuple[str, ...]:
    setpriv = tools / "setpriv"
    if not setpriv.exists():
        shutil.copy(_found("setpriv"), setpriv)
    places = (str(folder) for folder in writable)
    confine = (_found("sh"), "-c", CONFINE, "confine", _found("mount"), str(setpriv))
    return (*_unshare(), *confine, *places, "--", *command)


def _unshare() -> tuple[str, ...]:
    return (_found("unshare"), "--mount", "--propagation", "private")


def _found(program: str) -> str:
    return shutil.which(program) or program
