"""Probing a target of any kind."""

from collections.abc import Awaitable, Callable, Mapping

from probes import dns, http, icmp, stamp, tcp
from probes.outcome import Outcome
from probes.target import Kind, Target

PROBES: Mapping[Kind, Callable[[Target], Awaitable[Outcome]]] = {
    Kind.ICMP: icmp.probe,
    Kind.STAMP: stamp.probe,
    Kind.TCP: tcp.probe,
    Kind.HTTP: http.probe,
    Kind.DNS: dns.probe,
}


async def probe(target: Target) -> Outcome:
    """Probe a target. Raises nothing for what a network does; may be cancelled at any moment."""
    return await PROBES[target.kind](target)
