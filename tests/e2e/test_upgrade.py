"""From one release to the next: old settings, and new tables while the old processes serve."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from common.postgres.migrations import migrate
from common.settings import ServiceSettings
from devstack import services
from devstack.callers import http_caller
from devstack.databases import owner_of
from devstack.process import child_environment
from devstack.services import Builder, Place, Service
from devstack.settings import StackSettings
from devstack.stack import Stack
from devstack.testing import StartStack, open_folder
from devstack.waiting import until
from gateway.settings import GatewaySettings
from inventory.settings import MIGRATIONS as OF_INVENTORY
from inventory.settings import InventorySettings
from monitoring.settings import MIGRATIONS as OF_MONITORING
from monitoring.settings import MonitoringSettings

REGION = "regions/64.01"
POINTS = f"/v1/{REGION}/points"
VILLAGE = f"{REGION}/villages/64.01.06.2012"
DRAFT = {"displayName": "Titik baru", "kind": "SCHOOL", "village": VILLAGE}
Settings = Mapping[str, str]
SETTINGS: dict[str, type[ServiceSettings]] = {
    "inventory": InventorySettings,
    "monitoring": MonitoringSettings,
    "gateway": GatewaySettings,
}


@dataclass(frozen=True, slots=True)
class Release:
    """The settings of a release's processes, as its own stack had them at the named commit."""

    commit: str
    processes: Mapping[str, Settings]
    added: Settings
    """What a later release has made a must: its notes say so, and the process names it."""


GATEWAY_AT_FIRST = {
    "SMARTCITY_HTTP_ADDRESS": "{public}",
    "SMARTCITY_UPSTREAMS": '{{"inventory": "{inventory-grpc}"}}',
    "SMARTCITY_PAGES_ADDRESS": "{gateway-pages}",
    "SMARTCITY_GRPC_ADDRESS": "{gateway-grpc}",
    "SMARTCITY_ENVOY_ADMIN_ADDRESS": "{envoy-admin}",
    "SMARTCITY_METRICS_ADDRESS": "{gateway-metrics}",
    "SMARTCITY_STATE_FOLDER": "{state}/gateway",
    "SMARTCITY_LOG_LEVEL": "INFO",
}
INVENTORY_AT_FIRST = {
    "SMARTCITY_GRPC_ADDRESS": "{inventory-grpc}",
    "SMARTCITY_METRICS_ADDRESS": "{inventory-metrics}",
    "SMARTCITY_DATABASE_URL": "{inventory-database}",
    "SMARTCITY_CONTACT_KEYS_FILE": "{state}/secrets/contact_keys.json",
    "SMARTCITY_LOG_LEVEL": "INFO",
}
WITH_EVENTS = {"SMARTCITY_LEAVE_S": "0", "SMARTCITY_NATS_URL": "nats://{nats}"}
WITH_IDENTITY = WITH_EVENTS | {
    "SMARTCITY_IDENTITY": "required",
    "SMARTCITY_OIDC_ISSUER": "{issuer-url}",
    "SMARTCITY_TRACE_RATIO": "1.0",
    "SMARTCITY_OTLP_ADDRESS": "",
}
MONITORING_AT_FIRST = WITH_IDENTITY | {
    "SMARTCITY_GRPC_ADDRESS": "{monitoring-grpc}",
    "SMARTCITY_METRICS_ADDRESS": "{monitoring-metrics}",
    "SMARTCITY_DATABASE_URL": "{monitoring-database}",
    "SMARTCITY_LOG_LEVEL": "INFO",
}
BOTH = '{{"inventory": "{inventory-grpc}", "monitoring": "{monitoring-grpc}"}}'
RELEASES = {
    "the first": Release(
        commit="f0feca5",
        processes={"inventory": INVENTORY_AT_FIRST, "gateway": GATEWAY_AT_FIRST},
        added={
            "SMARTCITY_NATS_URL": "nats://{nats}",
            "SMARTCITY_OIDC_ISSUER": "{issuer-url}",
        },
    ),
    "the one with events": Release(
        commit="7c19d38",
        processes={"inventory": INVENTORY_AT_FIRST | WITH_EVENTS, "gateway": GATEWAY_AT_FIRST},
        added={"SMARTCITY_OIDC_ISSUER": "{issuer-url}"},
    ),
    "the one with monitoring": Release(
        commit="0ef1b2c",
        processes={
            "inventory": INVENTORY_AT_FIRST | WITH_IDENTITY,
            "monitoring": MONITORING_AT_FIRST,
            "gateway": GATEWAY_AT_FIRST
            | {
                "SMARTCITY_UPSTREAMS": BOTH,
                "SMARTCITY_TRACE_RATIO": "1.0",
                "SMARTCITY_OTLP_ADDRESS": "",
            },
        },
        added={},
    ),
}


class Values(dict[str, str]):
    """What stands in braces: the addresses of this stack."""

    def __init__(self, place: Place) -> None:
        super().__init__(
            {"public": place.public_address, "state": str(place.state.path)},
            **{"issuer-url": place.issuer},
            **{f"{name}-database": place.postgres.url(name, name) for name in SETTINGS},
        )
        self._place = place

    def __missing__(self, name: str) -> str:
        return self._place.address(name)


def as_then(name: str, release: Release) -> Builder:
    """Return today's service with that release's settings, and with nothing else."""

    def build(place: Place) -> Service:
        today: Service = getattr(services, name)(place)
        added = {} if name == "gateway" else release.added
        told = {**release.processes[name], **added}
        values = Values(place)
        return replace(today, env={key: text.format_map(values) for key, text in told.items()})

    return build


@pytest.fixture
def folder(servers_folder: Path) -> Iterator[Path]:
    path = open_folder("upgrade-", servers_folder)
    yield path
    shutil.rmtree(path)


@asynccontextmanager
async def stack_of(release: Release, folder: Path) -> AsyncIterator[Stack]:
    fixed = {"port": 0, "state_folder": folder, "durable": False, "network": "off"}
    builders = (services.issuer, *(as_then(name, release) for name in release.processes))
    async with Stack(StackSettings.model_validate(fixed), services=builders) as stack:
        yield stack


@pytest.mark.parametrize("release", RELEASES.values(), ids=lambda release: release.commit)
async def test_today_s_services_start_with_an_earlier_release_s_settings(
    release: Release, folder: Path
) -> None:
    async with stack_of(release, folder) as stack, http_caller(stack) as api:
        created = await api.post(POINTS, params={"pointId": "BARU-1"}, json=DRAFT)
        assert created.status_code == 200, created.text
        assert (await api.get(f"{POINTS}/BARU-1")).json() == created.json()
        if "monitoring" in release.processes:
            assert (await api.post(f"{POINTS}/BARU-1:activate")).status_code == 200

            async def known() -> bool:
                return (await api.get(f"{POINTS}/BARU-1/status")).status_code == 200

            assert await until(known, within_s=20)


@pytest.mark.parametrize("release", RELEASES.values(), ids=lambda release: release.commit)
def test_no_setting_of_an_earlier_release_is_gone(release: Release) -> None:
    for name, told in release.processes.items():
        known = {f"SMARTCITY_{field}".upper() for field in SETTINGS[name].model_fields}
        assert told.keys() | release.added.keys() <= known


def test_what_has_become_a_must_is_named() -> None:
    told = {"SMARTCITY_DATABASE_URL": "postgresql://x@/x", "SMARTCITY_CONTACT_KEYS_FILE": "none"}
    command = (sys.executable, "-m", "inventory")
    ended = subprocess.run(
        command, env=child_environment(told), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("wrong setting: SMARTCITY_")


NEXT = {
    "inventory": """
ALTER TABLE points ADD COLUMN next_note text NOT NULL DEFAULT '';
CREATE TABLE next_things (thing_id bigint PRIMARY KEY, point_id text NOT NULL);
GRANT SELECT, INSERT ON next_things TO inventory;
""",
    "monitoring": """
ALTER TABLE points ADD COLUMN next_note text NOT NULL DEFAULT '';
ALTER TABLE measurements ADD COLUMN next_ms real;
ALTER TABLE statuses ADD COLUMN next_since timestamptz;
""",
}
INDEX = "CREATE INDEX CONCURRENTLY next_points_by_note ON points (next_note);"
DOWN = "-- migrate:down\n"
HEAD = "SET lock_timeout = '4s';\nSET statement_timeout = '5s';\n"


def next_release(service: str, own: Path, folder: Path) -> Path:
    """Return the service's migrations with those of a release to come."""
    there = folder / service
    shutil.copytree(own, there)
    (there / "9001_add_notes.sql").write_text(f"-- migrate:up\n{HEAD}{NEXT[service]}{DOWN}")
    (there / "9002_index_notes.sql").write_text(f"-- migrate:up transaction:false\n{INDEX}\n{DOWN}")
    return there


@pytest.mark.timeout(300)
async def test_a_next_migration_runs_while_this_release_serves(
    fresh_stack: StartStack, folder: Path
) -> None:
    stack = await fresh_stack(replicas=2)
    answers: Counter[int] = Counter()
    over = asyncio.Event()
    async with http_caller(stack, timeout_s=30) as api, asyncio.TaskGroup() as calling:
        point = await known_point(api)
        for _ in range(4):
            calling.create_task(call_until(over, api, point, answers))

        async def busy() -> bool:
            return answers.total() > 50

        assert await until(busy, within_s=60)
        for service, own in (("inventory", OF_INVENTORY), ("monitoring", OF_MONITORING)):
            url = stack.postgres.dbmate_url(service, owner_of(service))
            there = next_release(service, own, folder)
            report = await asyncio.to_thread(migrate, url, there)
            assert "9002_index_notes.sql" in report
            assert await asyncio.to_thread(migrate, url, own) == ""  # today's, after the next one's
        seen = answers.total()

        async def served_after() -> bool:
            return answers.total() > seen + 50

        assert await until(served_after, within_s=60)
        for name in ("inventory", "inventory-2", "monitoring", "monitoring-2"):
            await restarted(stack, name)
        over.set()
    assert set(answers) == {200}


async def known_point(api: httpx.AsyncClient) -> str:
    """Create a point in service and wait until monitoring has it."""
    name = str((await api.post(POINTS, json=DRAFT)).json()["name"])
    assert (await api.post(f"/v1/{name}:activate")).status_code == 200

    async def known() -> bool:
        return (await api.get(f"/v1/{name}/status")).status_code == 200

    assert await until(known, within_s=20)
    return name


async def call_until(
    over: asyncio.Event, api: httpx.AsyncClient, point: str, answers: Counter[int]
) -> None:
    """Write and read through both services until it is over."""
    url = f"/v1/{REGION}/measurements:report"
    while not over.is_set():
        time = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
        measured = {"point": point, "source": "router", "time": time, "method": "icmp"}
        measured |= {"packetsSent": 5, "packetsReceived": 5}  # type: ignore[dict-item]
        sent = (
            await api.post(POINTS, json=DRAFT),
            await api.get(POINTS, params={"pageSize": 5}),
            await api.post(url, json={"measurements": [measured]}),
            await api.get(f"/v1/{REGION}/statuses", params={"pageSize": 5}),
        )
        answers.update(answer.status_code for answer in sent)


async def restarted(stack: Stack, name: str) -> None:
    """Stop a replica as a rolling update does, and wait until the next one serves behind Envoy."""
    child = stack.children[name]
    before = child.pid
    assert before is not None
    os.kill(before, signal.SIGTERM)

    async def anew() -> bool:
        return child.pid not in (None, before) and await child.is_ready()

    assert await until(anew, within_s=60)
    admin = f"http://{stack.place.address('envoy-admin')}/clusters?format=json"
    async with httpx.AsyncClient() as client:

        async def healthy() -> bool:
            told = json.dumps((await client.get(admin)).json())
            return "failed_active_health_check" not in told

        assert await until(healthy, within_s=30)
