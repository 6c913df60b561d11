"""A real nats-server that demands TLS and a user of its configuration."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import nkeys
import pytest
from common.events.bus import Access, open_bus
from devstack.authority import Authority
from devstack.nats import EmbeddedNats
from devstack.ports import free_ports
from devstack.waiting import until

CONFIG = """
tls { cert_file: "%(tls)s/tls.crt", key_file: "%(tls)s/tls.key", timeout: 5 }
accounts {
  PASER { jetstream: enabled, users: [%(users)s] }
}
"""


@dataclass(frozen=True, slots=True)
class User:
    seed: str
    public_key: str

    def written(self, file: Path) -> Path:
        file.write_text(f"{self.seed}\n")
        return file


def new_user() -> User:
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    public_key = bytes(nkeys.from_seed(bytearray(seed)).public_key).decode()
    return User(bytes(seed).decode(), public_key)


def written(tls: Path, user: User) -> str:
    return CONFIG % {"tls": tls, "users": f"{{nkey: {user.public_key}}}"}


@dataclass
class Secured:
    server: EmbeddedNats
    url: str
    user: User
    folder: Path
    tls: Path
    config: Path
    ca_file: Path
    environment: dict[str, str]

    def admit(self, user: User) -> None:
        """Let this user in and no other; the server ends the connections of others."""
        self.config.write_text(written(self.tls, user))
        pid = self.server.child.pid
        assert pid is not None
        os.kill(pid, signal.SIGHUP)

    async def tool(self, *words: str, **more: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "common.events", *words),
            env=os.environ | self.environment | more,
            stdout=PIPE,
            stderr=PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)
        return process.returncode or 0, (out + err).decode()


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    authority, user = Authority(), new_user()
    tls = authority.issue(tmp_path / "tls")
    config = tmp_path / "nats.conf"
    config.write_text(written(tls, user))
    port, monitor = free_ports(2)
    server = EmbeddedNats(tmp_path / "store", (port, monitor), config=config)
    await server.start()
    url, seed_file, ca_file = f"tls://localhost:{port}", tmp_path / "seed", tls / "ca.crt"
    environment = {
        "SMARTCITY_NATS_URL": url,
        "SMARTCITY_NATS_SEED_FILE": str(user.written(seed_file)),
        "SMARTCITY_NATS_CA_FILE": str(ca_file),
    }
    yield Secured(server, url, user, tmp_path, tls, config, ca_file, environment)
    await server.stop()


async def test_a_user_of_the_server_works_over_tls(secured: Secured) -> None:
    code, said = await secured.tool("apply")
    assert (code, "INVENTORY" in said) == (0, True)
    access = Access(secured.folder / "seed", secured.ca_file)
    async with open_bus(secured.url, access=access) as bus:
        await asyncio.wait_for(bus.connected.wait(), 10)
        stored = await bus.jetstream.publish("smartcity.6401.inventory.point.created.v1", b"x")
        assert (stored.stream, stored.seq) == ("INVENTORY", 1)


async def test_a_stranger_is_told_why_without_the_seed(secured: Secured) -> None:
    stranger = new_user()
    file = stranger.written(secured.folder / "stranger")
    code, said = await secured.tool("apply", SMARTCITY_NATS_SEED_FILE=str(file))
    assert code == 1
    assert "Authorization Violation" in said
    assert stranger.seed not in said


async def test_a_server_of_another_authority_is_not_believed(secured: Secured) -> None:
    other = secured.folder / "other.crt"
    other.write_bytes(Authority().certificate)
    code, said = await secured.tool("apply", SMARTCITY_NATS_CA_FILE=str(other))
    assert code == 1
    assert "CERTIFICATE_VERIFY_FAILED" in said


@pytest.mark.parametrize(
    ("name", "content"),
    [("SMARTCITY_NATS_SEED_FILE", "SUAwrong"), ("SMARTCITY_NATS_CA_FILE", "hush")],
)
async def test_a_file_that_holds_something_else_refuses_to_start(
    secured: Secured, name: str, content: str
) -> None:
    file = secured.folder / "wrong"
    file.write_text(content)
    code, said = await secured.tool("apply", **{name: str(file)})
    assert code == 2
    assert said.startswith(f"wrong setting: {name}: ")
    assert content not in said


async def test_a_seed_in_place_of_its_file_is_not_shown(secured: Secured) -> None:
    code, said = await secured.tool("apply", SMARTCITY_NATS_SEED_FILE=secured.user.seed)
    assert code == 2
    assert said.startswith("wrong setting: SMARTCITY_NATS_SEED_FILE: ")
    assert secured.user.seed not in said


async def test_a_rotated_seed_is_taken_with_the_next_connection(secured: Secured) -> None:
    file = secured.folder / "seed"
    new_user().written(file)
    async with open_bus(secured.url, access=Access(file, secured.ca_file)) as bus:

        async def refused() -> bool:
            return "Authorization Violation" in bus.last_error

        assert await until(refused, 20)
        secured.user.written(file)
        await asyncio.wait_for(bus.connected.wait(), 20)
        assert bus.last_error == ""


async def test_a_user_that_is_exchanged_is_taken_without_a_restart(secured: Secured) -> None:
    file = secured.folder / "seed"
    async with open_bus(secured.url, access=Access(file, secured.ca_file)) as bus:
        await asyncio.wait_for(bus.connected.wait(), 20)
        bus.connected.clear()
        following = new_user()
        secured.admit(following)
        following.written(file)
        await asyncio.wait_for(bus.connected.wait(), 30)
