"""Each process knows every setting that it is given, and is given every one that it must have."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certifi
import gateway.settings
import inventory.settings
import monitoring.settings
import nkeys
import pytest
from common.events.settings import OperatorSettings
from common.settings import PREFIX
from gateway.contract import load_contract, upstream_of
from pydantic_settings import BaseSettings

CLASSES: dict[str, type[BaseSettings]] = {
    "inventory": inventory.settings.InventorySettings,
    "inventory migrate": inventory.settings.MigrationSettings,
    "monitoring": monitoring.settings.MonitoringSettings,
    "monitoring probe": monitoring.settings.ProberSettings,
    "monitoring migrate": monitoring.settings.MigrationSettings,
    "gateway": gateway.settings.GatewaySettings,
    "common.events apply": OperatorSettings,
}
MOUNTED = "/etc/smartcity"
UNUSED = {
    "gateway": {"nats_url"},
    "common.events apply": {"grpc_address", "metrics_address"},
}
"""What a process has and does not look at: the edge knows no bus, the tool serves nobody."""


def processes(release: Any) -> Iterator[tuple[str, dict[str, str], dict[str, Any]]]:
    """Yield what runs, its environment and its pod; not the test, which is no process of ours."""
    data = {name: one["data"] for name, one in release.of("ConfigMap").items()}
    for _, spec in release.pods():
        [container] = spec["containers"]
        if "command" in container:
            continue
        environment = {one["name"]: one["value"] for one in container.get("env", [])}
        for source in container.get("envFrom", []):
            environment |= data[source["configMapRef"]["name"]]
        yield " ".join(container["args"]), environment, spec


def test_every_process_knows_what_it_is_told_and_is_told_what_it_must(
    every_release: Callable[[], Any],
) -> None:
    for example, release in every_release():
        for words, environment, _ in processes(release):
            fields = CLASSES[words].model_fields
            known = {f"{PREFIX}{name.upper()}" for name in fields}
            needed = {f"{PREFIX}{n.upper()}" for n, f in fields.items() if f.is_required()}
            assert environment.keys() - known == set(), (example, words)
            assert needed - environment.keys() == set(), (example, words)


def test_every_process_takes_the_values(
    every_release: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran = set()
    for _, release in every_release():
        for words, environment, spec in processes(release):
            folder = mounted(spec, tmp_path)
            with monkeypatch.context() as patch:
                for name, value in environment.items():
                    if name != "SMARTCITY_TLS_FOLDER":  # cert-manager's, which is not here
                        patch.setenv(name, value.replace(MOUNTED, str(folder)))
                CLASSES[words]()
            ran.add(words)
    assert ran == CLASSES.keys()


def mounted(spec: dict[str, Any], tmp_path: Path) -> Path:
    """Make the files that the pod's projected Secrets would be, and no others."""
    folder = tmp_path / str(len(list(tmp_path.iterdir()))) / "secrets"
    folder.mkdir(parents=True)
    for path in secret_files(spec):
        (folder / path).write_text(content(path))
    return folder.parent


def secret_files(spec: dict[str, Any]) -> list[str]:
    sources = [s for v in spec["volumes"] for s in v.get("projected", {}).get("sources", [])]
    return [item["path"] for source in sources for item in source["secret"]["items"]]


def content(path: str) -> str:
    if path == "nats-seed":
        return str(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER).decode())
    return Path(certifi.where()).read_text() if path.endswith(".crt") else "content"


def test_every_file_that_a_process_is_told_of_is_mounted(every_release: Callable[[], Any]) -> None:
    for example, release in every_release():
        for words, environment, spec in processes(release):
            told = {
                value.partition(f"{MOUNTED}/secrets/")[2].partition("&")[0]
                for value in environment.values()
                if f"{MOUNTED}/secrets/" in value
            }
            assert told == set(secret_files(spec)), (example, words)


def test_nobody_is_left_to_look_on_its_own_machine(every_release: Callable[[], Any]) -> None:
    """What a developer's defaults find on loopback is elsewhere in a cluster."""
    for example, release in every_release():
        for words, environment, _ in processes(release):
            left = {
                name
                for name, field in CLASSES[words].model_fields.items()
                if "127.0.0.1" in str(field.default)
                and f"{PREFIX}{name.upper()}" not in environment
            }
            assert left == UNUSED.get(words, set()), (example, words)


def test_services_are_told_who_certifies_callers_and_everybody_how_to_be_let_in(helm: Any) -> None:
    secret_files_of = ("DATABASE_PASSWORD_FILE", "NATS_SEED_FILE", "NATS_CA_FILE")
    told = {words: environment for words, environment, _ in processes(helm.release())}
    for words in ("inventory", "monitoring"):
        assert told[words]["SMARTCITY_OIDC_ISSUER"].startswith("https://keycloak.example.go.id/")
    for words in ("inventory", "monitoring", "monitoring probe"):
        assert {f"{PREFIX}{name}" for name in secret_files_of} <= told[words].keys()
    assert "SMARTCITY_NATS_SEED_FILE" in told["common.events apply"]


def test_the_edge_calls_each_service_by_the_name_in_its_certificate(helm: Any, chart: Path) -> None:
    """And the proto services that the edge serves are all published."""
    release = helm.release(chart / "ci/everything-on-values.yaml")
    told = {words: environment for words, environment, _ in processes(release)}
    upstreams = json.loads(told["gateway"]["SMARTCITY_UPSTREAMS"])
    served = {upstream_of(service) for service in load_contract(upstreams).services}
    assert served == {"inventory", "monitoring"}
    for name in ("inventory", "monitoring"):
        [certified] = release.component("Certificate", name)["spec"]["dnsNames"]
        assert certified == f"city-{name}.smartcity.svc.cluster.example"
        assert upstreams[name] == f"{certified}:50051"
        assert told[name]["SMARTCITY_GRPC_ADDRESS"].endswith(":50051")
        assert told[name]["SMARTCITY_TLS_FOLDER"] == f"{MOUNTED}/tls"
