"""What a process that sends may do to its surroundings: call allowed addresses, and start nothing.

An audit hook sees each address that is really called, whatever name led to it and whoever
redirected there, and cannot be taken out again. So it belongs into a process of its own.
"""

import sys
from collections.abc import Sequence
from ipaddress import ip_address

from monitoring.sending.networks import Network, is_allowed

CALLS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}


class Refused(OSError):
    """What was tried is not allowed here."""


class Guard:
    """Refuses what is not allowed, and remembers that it did."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self.has_refused = False

    def set(self) -> None:
        """Guard this process from now on."""
        sys.addaudithook(self._look)

    def _look(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in STARTS or (event in CALLS and not self._may_call(arguments[1])):
            self.has_refused = True
            raise Refused(f"{event} is not allowed")

    def _may_call(self, address: object) -> bool:
        if address is None:
            return True  # of a socket that is connected already
        if not isinstance(address, tuple):
            return False
        try:
            return is_allowed(ip_address(str(address[0]).partition("%")[0]), self._allowed)
        except ValueError:
            return False
