import importlib
import importlib.resources
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import Default
from smartcity.auth.v1 import permission_pb2

ROOT = Path(__file__).parents[3]
STUBS = ROOT / "libs/protos/src"
PACKED = STUBS / "smartcity/descriptors.binpb"
RELEASED = ROOT / "protos/released.binpb"
SERVICE_FIELD = 6  # of FileDescriptorProto, in the paths of its source info
METHOD_FIELD = 2  # of ServiceDescriptorProto


def files() -> list[FileDescriptorProto]:
    packed = FileDescriptorSet.FromString(PACKED.read_bytes())
    return [file for file in packed.file if file.name.startswith("smartcity/")]


def published(file: FileDescriptorProto) -> Iterator[tuple[MethodDescriptor, str]]:
    """Yield each method of the file with its comment."""
    importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
    comments = {tuple(at.path): at.leading_comments for at in file.source_code_info.location}
    for number, service in enumerate(file.service):
        found = Default().FindServiceByName(f"{file.package}.{service.name}")
        for index, method in enumerate(found.methods):
            yield method, comments[(SERVICE_FIELD, number, METHOD_FIELD, index)].strip()


METHODS = [found for file in files() for found in published(file)]
every_method = pytest.mark.parametrize(
    "method", [method for method, _ in METHODS], ids=lambda method: str(method.name)
)


@every_method
def test_every_rpc_declares_a_permission_of_its_service(method: MethodDescriptor) -> None:
    permission = method.GetOptions().Extensions[permission_pb2.permission]
    service = method.full_name.split(".")[1]
    assert len(permission.split(".")) == 3
    assert permission.startswith(f"{service}.")


@every_method
def test_every_rpc_has_an_http_binding_but_those_that_stream_requests(
    method: MethodDescriptor,
) -> None:
    """The gateway reads a JSON body to its end before it passes: a stream could not run in it."""
    http = method.GetOptions().Extensions[annotations_pb2.http]
    assert bool(http.WhichOneof("pattern")) != method.client_streaming


def test_every_rpc_has_a_comment() -> None:
    assert [method.full_name for method, comment in METHODS if not comment.endswith(".")] == []


def test_the_stubs_are_what_the_protos_generate(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "libs/protos/generate.py")
    assert spec
    assert spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    generate.write(tmp_path)
    assert contents(tmp_path) == contents(STUBS)


def contents(folder: Path) -> dict[str, bytes]:
    written = (p for p in folder.rglob("*") if p.is_file() and p.suffix in {".py", ".pyi"})
    return {str(path.relative_to(folder)): path.read_bytes() for path in written}


def buf(*words: str) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).parent / "buf"
    command = [str(tool), *words, "--config", str(ROOT / "buf.yaml"), "--path", "smartcity"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_protos_follow_the_lint_rules() -> None:
    done = buf("lint", str(PACKED))
    assert (done.returncode, done.stdout) == (0, "")


def test_the_protos_break_nothing_that_was_released() -> None:
    done = buf("breaking", str(PACKED), "--against", str(RELEASED))
    assert (done.returncode, done.stdout) == (0, "")


def test_a_removed_field_is_found(tmp_path: Path) -> None:
    changed = FileDescriptorSet.FromString(PACKED.read_bytes())
    point = next(f for f in changed.file if f.name == "smartcity/inventory/v1/point.proto")
    message = next(m for m in point.message_type if m.name == "Point")
    gone = next(f for f in message.field if f.name == "address")
    message.field.remove(gone)
    image = tmp_path / "changed.binpb"
    image.write_bytes(changed.SerializeToString())
    done = buf("breaking", str(image), "--against", str(RELEASED))
    assert "address" in done.stdout
    assert done.returncode != 0
