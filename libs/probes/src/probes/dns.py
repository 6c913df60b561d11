"""DNS: one question to one name server."""

import time

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from probes.addresses import Unresolved, resolve, sentence
from probes.outcome import Outcome
from probes.target import Target


async def probe(target: Target) -> Outcome:
    """Ask for a name: over UDP, and over TCP when the answer does not fit."""
    try:
        server = await resolve(target.address, target.port_used, target.timeout_s)
    except Unresolved as error:
        return Outcome(error=sentence(error))
    begin = time.perf_counter()
    try:
        question = dns.message.make_query(target.dns.name, target.dns.record_type)
        answer, _ = await dns.asyncquery.udp_with_fallback(
            question, server.host, target.timeout_s, target.port_used, ignore_unexpected=True
        )
    except dns.exception.Timeout:
        return Outcome(success=False, error=sentence(TimeoutError()))
    except (dns.exception.DNSException, OSError, EOFError) as error:
        return Outcome(success=False, error=sentence(error))
    took_ms = (time.perf_counter() - begin) * 1000
    wrong = _wrong(answer, target)
    return Outcome(success=not wrong, dns_ms=took_ms, error=wrong)


def _wrong(answer: dns.message.Message, target: Target) -> str:
    if answer.rcode() != dns.rcode.NOERROR:
        return f"the server answers {dns.rcode.to_text(answer.rcode())}"
    wanted = dns.rdatatype.from_text(target.dns.record_type)
    if not any(found.rdtype == wanted for found in answer.answer):
        return f"{target.dns.name} has no {target.dns.record_type}"
    return ""
