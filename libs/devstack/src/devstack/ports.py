"""TCP ports: free ones for what listens inside, and a clear word when one is taken."""

import os
import secrets
import socket
from collections.abc import Collection

from devstack.errors import PortBusy

# Below the range that Linux takes the ports of outgoing connections from: a service that is
# started again must find its port free.
INTERNAL = range(20000, 32000)
SHARE = "SMARTCITY_PORTS_SHARE"
"""The variable that says which part of them is whose, as `0/2`: a port that was found free is bound
seconds later, so those who start stacks at the same moments, as test workers do, part them."""


def free_ports(count: int, but: Collection[int] = ()) -> list[int]:
    """Return different ports of 127.0.0.1 that nobody listens on, none of those in `but`."""
    found: list[int] = []
    ports = _share(os.environ.get(SHARE, "0/1"))
    while len(found) < count:
        port = secrets.choice(ports)
        if port not in found and port not in but and is_free("127.0.0.1", port):
            found.append(port)
    return found


def _share(part: str) -> range:
    number, _, parts = part.partition("/")
    return INTERNAL[int(number) :: int(parts)]


def is_free(host: str, port: int) -> bool:
    """Tell whether nobody listens on the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        # Without this, connections that ended a moment ago would count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except OSError:
            return False
    return True


def require_free(host: str, port: int, advice: str) -> None:
    """Check that the port is free.

    Raises:
        PortBusy: It is not; the message ends with `advice`.
    """
    if not is_free(host, port):
        raise PortBusy(f"port {port} of {host} is in use by another program: {advice}")
