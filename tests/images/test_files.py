"""The files that build and describe the images, held by the tools that know them."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker/Dockerfile"
SCRIPTS = ("docker/install", "docker/make-secrets", "docker/postgres/create-databases.sh")
TOOLS = Path(sys.executable).parent


def said_by(tool: str, *words: str) -> str:
    done = subprocess.run(
        [str(TOOLS / tool), *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_hadolint_finds_nothing() -> None:
    assert said_by("hadolint", str(DOCKERFILE)) == ""


def test_shellcheck_finds_nothing() -> None:
    assert said_by("shellcheck", *SCRIPTS) == ""


def test_shellcheck_is_told_of_every_script() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "docker").rglob("*")
        if path.is_file() and path.read_bytes().startswith(b"#!/bin/")
    }
    assert found == set(SCRIPTS)


def stages() -> dict[str, str]:
    """Return the text of each stage by its name."""
    parts = re.split(r"^FROM (\S+) AS (\S+)$", DOCKERFILE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[2::3], parts[3::3], strict=True))


def test_every_image_from_elsewhere_is_pinned_by_tag_and_digest() -> None:
    names = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    elsewhere = [name for name in names if name not in stages() and name != "scratch"]
    assert [
        bool(re.fullmatch(r"python:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64}", name))
        for name in elsewhere
    ] == [True]


def test_what_runs_has_a_numeric_user_and_is_built_by_no_command() -> None:
    text = stages()
    assert re.findall(r"^USER (.+)$", text["runtime"], re.MULTILINE) == ["65532:65532"]
    last = text["runtime"] + text["services"] + text["gateway"]
    assert re.findall(r"^(?:RUN|USER|ADD) .+$", last, re.MULTILINE) == ["USER 65532:65532"]


def test_both_images_say_what_they_are() -> None:
    text = stages()
    for image in ("services", "gateway"):
        named = re.findall(r"org\.opencontainers\.image\.(\w+)=", text["runtime"] + text[image])
        assert {"version", "revision", "source", "licenses", "title", "description"} <= set(named)


def test_the_bill_of_materials_is_the_run_lock_each_time(tmp_path: Path) -> None:
    written = [sbom(tmp_path / name) for name in ("first.json", "second.json")]
    assert written[0] == written[1]
    listed = json.loads(written[0])
    assert listed["bomFormat"] == "CycloneDX"
    found = {f"{part['name'].lower()}=={part['version']}" for part in listed["components"]}
    lock = (ROOT / "requirements/run.lock").read_text()
    assert found == set(re.findall(r"^([\w.-]+==[^ \\;]+)", lock, re.MULTILINE))


def sbom(file: Path) -> str:
    """Write it as `make sbom` does."""
    line = re.search(r"\$\(BIN\)/cyclonedx-py (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line
    said_by("cyclonedx-py", *line[1].replace(".local/sbom.cdx.json", str(file)).split())
    return file.read_text()
