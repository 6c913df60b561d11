"""Backups that are damaged, cut off, foreign or in the way; of a platform without services."""

import json
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import nats
import pytest
from devstack.backup.archive import CONTENTS, FORMAT, SUMS, Contents, seal
from devstack.backup.restoring import restore, show
from devstack.backup.secrets import Keys, beside
from devstack.backup.streams import drop_consumers_ahead
from devstack.backup.taking import started, take
from devstack.errors import BackupRefused
from devstack.nats import EmbeddedNats
from devstack.settings import StackSettings
from devstack.stack import Stack
from devstack.state import StateFolder, held
from devstack.testing import Outsiders, open_folder

MESSAGES = 3000


@pytest.fixture(scope="module")
async def platform(servers_folder: Path) -> AsyncIterator[StateFolder]:
    """Give the stopped state of a platform whose one stream has a consumer and messages."""
    folder = open_folder("platform-", servers_folder)
    settings = {"port": 0, "state_folder": folder, "durable": False}
    async with (
        Stack(StackSettings.model_validate(settings), services=()) as stack,
        await nats.connect(stack.nats.url) as client,
    ):
        jetstream = client.jetstream()
        await jetstream.add_stream(name="S", subjects=["s"])
        await jetstream.add_consumer("S", durable_name="reader")
        for number in range(MESSAGES):
            await jetstream.publish_async("s", str(number).encode())
        await jetstream.publish_async_completed()
    yield StateFolder(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
async def saved(platform: StateFolder, servers_folder: Path) -> AsyncIterator[Path]:
    """Give a backup of it."""
    folder = open_folder("saved-", servers_folder)
    await take(platform, folder / "backup")
    yield folder / "backup"
    shutil.rmtree(folder)


@pytest.fixture
def copy(saved: Path, folder: Path) -> Path:
    """Give a copy of the backup that the test may damage."""
    shutil.copytree(saved, folder / "copy")
    shutil.copy(beside(saved), beside(folder / "copy"))
    return folder / "copy"


async def read_all(target: StateFolder) -> int:
    """Return how many messages the restored stream gives its restored consumer."""
    async with (
        held(target) as lock,
        started(target, lock) as servers,
        await nats.connect(servers.nats_url) as client,
    ):
        info = await client.jetstream().consumer_info("S", "reader")
        return info.num_pending or 0


async def test_a_stopped_platform_is_backed_up_and_restored(saved: Path, folder: Path) -> None:
    target = StateFolder(folder / "new")
    await restore(saved, None, target)
    assert await read_all(target) == MESSAGES


async def test_a_consumer_ahead_of_its_stream_begins_anew(nats_server: EmbeddedNats) -> None:
    async with await nats.connect(nats_server.url) as client:
        jetstream = client.jetstream()
        await jetstream.add_stream(name="AHEAD", subjects=["ahead"])
        await jetstream.add_consumer("AHEAD", durable_name="reader")
        for _ in range(3):
            await jetstream.publish("ahead", b"")
        pull = await jetstream.pull_subscribe_bind(consumer="reader", stream="AHEAD")
        await pull.fetch(3)
        await drop_consumers_ahead(client, "AHEAD", last=3)
        assert [info.name for info in await jetstream.consumers_info("AHEAD")] == ["reader"]
        await drop_consumers_ahead(client, "AHEAD", last=2)
        assert await jetstream.consumers_info("AHEAD") == []
        await jetstream.delete_stream("AHEAD")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink], ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", ["databases/base.tar.gz", "streams/S", CONTENTS, SUMS])
async def test_a_damaged_backup_is_refused_and_changes_nothing(
    damage: Callable[[Path], None], name: str, copy: Path
) -> None:
    damage(copy / name)
    target = StateFolder(copy.parent / "new")
    with pytest.raises(BackupRefused, match="no whole backup") as refused:
        await restore(copy, None, target)
    assert name in str(refused.value) or name == SUMS
    assert sorted(path.name for path in copy.parent.iterdir()) == ["copy", "copy.keys.json"]


async def test_a_file_that_nobody_wrote_is_refused(copy: Path) -> None:
    (copy / "databases" / "more.tar").touch()
    with pytest.raises(BackupRefused, match=r"more\.tar is not in SHA256SUMS"):
        show(copy)


async def test_a_newer_format_is_refused(copy: Path) -> None:
    contents = Contents.read(copy).model_copy(update={"format": FORMAT + 1})
    seal(copy, contents)
    with pytest.raises(BackupRefused, match=f"has format {FORMAT + 1}, and this release knows"):
        show(copy)


async def test_another_postgresql_is_refused(copy: Path) -> None:
    seal(copy, Contents.read(copy).model_copy(update={"postgres": 19}))
    with pytest.raises(BackupRefused, match="made by PostgreSQL 19"):
        show(copy)


async def test_keys_that_are_missing_damaged_or_others_are_refused(copy: Path) -> None:
    target, keys = StateFolder(copy.parent / "new"), beside(copy)
    text = keys.read_text()
    for wrong in ("", "{}", text.replace('"keys', '"kexs')):
        keys.write_text(wrong)
        with pytest.raises(BackupRefused, match="keys"):
            await restore(copy, None, target)
    keys.unlink()
    with pytest.raises(BackupRefused, match="say where, with KEYS="):
        await restore(copy, None, target)
    assert not target.path.exists()


async def test_the_keys_are_beside_the_backup_and_closed_to_others(saved: Path) -> None:
    assert beside(saved).stat().st_mode & 0o777 == 0o600
    keys = Keys.model_validate_json(beside(saved).read_text())
    within = b"".join(path.read_bytes() for path in saved.rglob("*") if path.is_file())
    (secret,) = json.loads(keys.files["contact_keys.json"])["keys"].values()
    assert secret.encode() not in within
    assert keys.digests()["contact_keys.json"].encode() in within


async def test_a_folder_that_holds_something_is_not_overwritten(
    saved: Path, platform: StateFolder
) -> None:
    with pytest.raises(BackupRefused, match="not empty"):
        await restore(saved, None, platform)
    with pytest.raises(BackupRefused, match="not empty"):
        await take(platform, saved)
    others = beside(saved.parent / "third")
    others.write_text('{"files": {}}')
    with pytest.raises(BackupRefused, match="the keys of another backup: choose another TO="):
        await take(platform, saved.parent / "third")
    others.unlink()
    with pytest.raises(BackupRefused, match="holds no platform"):
        await take(StateFolder(saved.parent), saved.parent / "other")


async def test_a_backup_is_closed_to_others_also_over_what_a_kill_has_left(
    saved: Path, platform: StateFolder, folder: Path
) -> None:
    (folder / "backup.unfinished").mkdir(mode=0o755)
    shutil.copy(beside(saved), beside(folder / "backup"))  # written just before the kill
    await take(platform, folder / "backup")
    for backup in (saved, folder / "backup"):
        assert backup.stat().st_mode & 0o777 == 0o700
    assert beside(folder / "backup").read_text() == beside(saved).read_text()


async def test_a_backup_chooses_no_place_outside_of_itself_and_of_the_state_folder(
    copy: Path,
) -> None:
    contents, target = Contents.read(copy), StateFolder(copy.parent / "new")
    (copy / "network").symlink_to("/etc", target_is_directory=True)
    with pytest.raises(BackupRefused, match="network leads elsewhere"):
        await restore(copy, None, target)
    (copy / "network").unlink()
    keys = Keys.model_construct(files={"../../taken": "a"})
    seal(copy, contents.model_copy(update={"secrets": keys.digests()}))
    beside(copy).write_text(json.dumps({"files": keys.files}))
    with pytest.raises(BackupRefused, match="holds no keys"):
        await restore(copy, None, target)
    seal(copy, contents.model_copy(update={"streams": None}))
    with pytest.raises(BackupRefused, match="is none of ours"):
        show(copy)
    assert not (copy.parent / "taken").exists()


async def test_a_kill_in_the_middle_of_a_backup_leaves_none(
    platform: StateFolder, folder: Path, outside: Outsiders
) -> None:
    words = ("-m", "devstack", "backup", str(folder / "backup"))
    killed = await outside(*words, state_folder=platform.path)
    await killed.line("databases")
    killed.see_below()
    await killed.end(signal.SIGKILL)
    assert [path.name for path in folder.iterdir()] == ["backup.unfinished"]
    assert await killed.nothing_is_left()
    again = await outside(*words, state_folder=platform.path)
    assert await again.end(within_s=120) == 0, again.text
    assert "starting over" in again.lines[0]
    assert sorted(path.name for path in folder.iterdir()) == ["backup", "backup.keys.json"]
    show(folder / "backup")


async def test_a_kill_in_the_middle_of_a_restore_leaves_no_state(
    saved: Path, folder: Path, outside: Outsiders
) -> None:
    target, words = StateFolder(folder / "new"), ("-m", "devstack", "restore", str(saved))
    killed = await outside(*words, state_folder=target.path)
    await killed.line("databases: recovering")
    killed.see_below()
    await killed.end(signal.SIGKILL)
    assert not target.path.exists()
    again = await outside(*words, state_folder=target.path)
    assert await again.end(within_s=120) == 0, again.text
    assert any("starting over" in line for line in again.lines)
    assert await read_all(target) == MESSAGES
