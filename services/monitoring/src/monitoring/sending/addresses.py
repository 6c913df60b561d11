"""Targets' addresses, read by apprise's own parser: what is wrong with them, what may be shown."""

import logging
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from apprise import AppriseAsset, NotifyBase, PersistentStoreMode

from monitoring.sending.networks import Network, is_allowed, literal

SERVICES = Path(__file__).with_name("services.toml")
ASSET = AppriseAsset(
    app_id="Paser Smart City",
    app_desc="Paser Smart City",
    async_mode=False,
    http_redirects=False,
    secure_logging=True,
    storage_mode=PersistentStoreMode.MEMORY,
    pgp_autogen=False,
    pem_autogen=False,
)

# apprise tells its loggers whole addresses.
logging.getLogger("apprise").propagate = False


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with an address, without any of its secrets."""

    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service that a target may name."""

    plugin: str
    """Module and class of apprise."""
    schemes: Sequence[str]
    parameters: Sequence[str]
    host: str = ""
    prefixes: Sequence[str] = ()
    host_is_secret: bool = False


def wrong_with(url: str, allowed: Sequence[Network]) -> list[Wrong]:
    """Return everything that is wrong with an address."""
    service = _service(url)
    if service is None:
        listed = ", ".join(sorted(_services()))
        return [Wrong("TARGET_SCHEME", f"must begin with one of {listed}, and ://")]
    parsed = _parsed(url, service)
    if parsed is None:
        return [_unreadable(service)]
    found = [*_wrong_parameters(parsed, service), *_wrong_host(_host(parsed, service), allowed)]
    # One with a parameter that is not allowed is never opened: it might read files.
    if not found and opened_target(url) is None:
        found.append(_unreadable(service))
    return found


def opened_target(url: str) -> NotifyBase | None:
    """Return what apprise makes of an address; None when it is none."""
    service = _service(url)
    parsed = _parsed(url, service) if service else None
    if service is None or parsed is None:
        return None
    try:
        return _plugin(service.plugin)(**parsed, asset=ASSET)
    except Exception:  # noqa: BLE001 - what a plugin raises may quote the address
        return None


def masked(url: str) -> str:
    """Return what may be shown of an address: scheme, host and stars."""
    service = _service(url)
    parsed = _parsed(url, service) if service else None
    if service is None or parsed is None:
        return "***"
    host = "" if service.host_is_secret else _host(parsed, service)
    return f"{_scheme(url)}://{host or '***'}/***"


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def _service(url: str) -> Service | None:
    return _services().get(_scheme(url))


def _parsed(url: str, service: Service) -> dict[str, Any] | None:
    """Return the parts of an address, as apprise's plugin for it takes them; None for none."""
    try:
        return _plugin(service.plugin).parse_url(url) or None
    except Exception:  # noqa: BLE001 - what a plugin raises may quote the address
        return None


@cache
def _plugin(name: str) -> type[NotifyBase]:
    """Import one plugin: apprise by itself would import all of some hundred."""
    module, _, kind = name.partition(".")
    found: type[NotifyBase] = getattr(import_module(f"apprise.plugins.{module}"), kind)
    return found


def _unreadable(service: Service) -> Wrong:
    sentence = f"is no whole address of {service.schemes[0]}: a part is missing or malformed"
    return Wrong("TARGET_UNREADABLE", sentence)


def _wrong_parameters(parsed: Mapping[str, Any], service: Service) -> Iterator[Wrong]:
    given = {name for name in parsed["qsd"] if name[:1] not in service.prefixes}
    known = _plugin(service.plugin).template_args
    listed = ", ".join(service.parameters)
    for name in sorted(given - {*service.parameters}):
        # A name that apprise does not know may be the rest of a password that holds a `?`.
        called = f"the parameter {name!r}" if name in known else "an unknown parameter"
        sentence = f"must not have {called}; allowed are {listed}; write %3F for a ? within a word"
        yield Wrong("TARGET_PARAMETER", sentence)


def _wrong_host(host: str, allowed: Sequence[Network]) -> Iterator[Wrong]:
    address = literal(host)
    if address is not None and not is_allowed(address, allowed):
        sentence = f"must not lead to {host}, an address of a private network"
        yield Wrong("TARGET_ADDRESS", sentence)


def _host(parsed: Mapping[str, Any], service: Service) -> str:
    """Return the machine that is called, where the address chooses it."""
    return str(parsed.get(service.host) or parsed.get("host") or "") if service.host else ""


@cache
def _services() -> Mapping[str, Service]:
    """Return the services by each of their schemes."""
    described = tomllib.loads(SERVICES.read_text(encoding="utf-8"))
    services = [Service(**one) for one in described.values()]
    return {scheme: service for service in services for scheme in service.schemes}
