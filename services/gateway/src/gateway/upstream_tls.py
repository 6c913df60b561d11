"""Mutual TLS towards the services, as Envoy takes it: by files that it watches.

A certificate that is rotated on disk is used from the next connection on, without a restart.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from common.certificates import CHAIN, KEY, TRUSTED

JsonObject = dict[str, Any]
KINDS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
OWN, AUTHORITY = "own-certificate", "authority"


def transport_socket(addresses: Sequence[str], state_folder: Path) -> JsonObject:
    """Return a cluster's TLS: a server must show the name that it is called by, of our authority.

    `addresses` are all HOST:PORT of the cluster; the names of its replicas are as good as another.
    """
    hosts = sorted({address.rpartition(":")[0].strip("[]") for address in addresses})
    names = [host for host in hosts if not _is_address(host)]
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{KINDS}.UpstreamTlsContext",
            **({"sni": names[0]} if names else {}),
            "common_tls_context": {
                "alpn_protocols": ["h2"],
                "tls_certificate_sds_secret_configs": [_watched(OWN, state_folder)],
                "combined_validation_context": {
                    "default_validation_context": {
                        "match_typed_subject_alt_names": [_name(host) for host in hosts]
                    },
                    "validation_context_sds_secret_config": _watched(AUTHORITY, state_folder),
                },
            },
        },
    }


def secret_files(tls_folder: Path) -> dict[str, JsonObject]:
    """Return, by file name, what leads Envoy to the certificates; no file holds a secret itself."""
    folder = tls_folder.absolute()
    watched = {"watched_directory": {"path": str(folder)}}
    certificate = {
        "certificate_chain": {"filename": str(folder / CHAIN)},
        "private_key": {"filename": str(folder / KEY)},
    }
    trusted = {"trusted_ca": {"filename": str(folder / TRUSTED)}}
    return {
        _file(OWN): _secret(OWN, tls_certificate=certificate | watched),
        _file(AUTHORITY): _secret(AUTHORITY, validation_context=trusted | watched),
    }


def _secret(name: str, **content: JsonObject) -> JsonObject:
    return {"resources": [{"@type": f"{KINDS}.Secret", "name": name, **content}]}


def _watched(name: str, state_folder: Path) -> JsonObject:
    source = {"path": str((state_folder / _file(name)).absolute())}
    return {
        "name": name,
        "sds_config": {"path_config_source": source, "resource_api_version": "V3"},
    }


def _file(name: str) -> str:
    return f"{name}.json"


def _name(host: str) -> JsonObject:
    kind = "IP_ADDRESS" if _is_address(host) else "DNS"
    return {"san_type": kind, "matcher": {"exact": host}}


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
