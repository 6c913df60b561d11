"""The user PostgreSQL runs under: it refuses root, so root hands it to another one."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import FolderClosed

STAND_IN = "nobody"
MAY_PASS = 0o001  # everyone may enter, nobody may list
MAY_READ = 0o005


@dataclass(frozen=True, slots=True)
class ServerUser:
    """Whom the server runs as. `uid` is None when that is whom we run as."""

    name: str
    uid: int | None
    gid: int | None

    def own(self, folder: Path) -> None:
        """Make `folder` the user's own, closed to everyone else."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)
        folder.chmod(0o700)

    def may_own(self, folder: Path) -> bool:
        """Tell whether `folder` is the user's or ours, and not a link to elsewhere."""
        owner = folder.lstat().st_uid
        return owner in (os.geteuid(), self.uid) and folder.is_dir() and not folder.is_symlink()


def server_user(data_folder: Path) -> ServerUser:
    """Return us, or under root the owner of `data_folder`, or the stand-in when it is new."""
    if os.geteuid() != 0:
        return ServerUser(pwd.getpwuid(os.geteuid()).pw_name, None, None)
    owner = data_folder.stat().st_uid if data_folder.exists() else 0
    entry = pwd.getpwuid(owner) if owner else pwd.getpwnam(STAND_IN)
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def let_in(user: ServerUser, folder: Path) -> list[Path]:
    """Let `user` enter every folder above `folder`; return those that had to be opened.

    Only the right to pass is added, not the right to list.

    Raises:
        FolderClosed: A folder cannot be opened.
    """
    if user.uid is None:
        return []
    closed = [above for above in folder.absolute().parents if not _passes(user, above)]
    for above in closed:
        try:
            above.chmod(above.stat().st_mode | MAY_PASS)
        except OSError as error:
            raise FolderClosed(
                f"PostgreSQL does not run as root, and its user {user.name} cannot enter {above} "
                f"({error.strerror}): open it, or choose a state folder elsewhere with DATA=..."
            ) from error
    return closed


def let_read(user: ServerUser, tree: Path) -> None:
    """Let `user` read and run what is installed in `tree`, as after an install under umask 077."""
    if user.uid is None or tree.stat().st_mode & MAY_READ == MAY_READ:
        return
    for path in (tree, *tree.rglob("*")):
        mode = path.stat().st_mode
        runs = path.is_dir() or mode & 0o100
        path.chmod(mode | (MAY_READ if runs else 0o004))


def _passes(user: ServerUser, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == user.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == user.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & MAY_PASS)
