"""Write the Python stubs and the descriptor set from protos/; `make protos` runs it."""

import importlib.resources
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
OUT = ROOT / "libs/protos/src"
VALIDATE = "buf/validate/validate.proto"


def validate_descriptors() -> descriptor_pb2.FileDescriptorSet:
    """Return validate.proto, which no wheel ships as text, with what it imports."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    return files


def protoc(*args: str) -> None:
    """Run protoc of grpcio-tools with the plugins of this environment."""
    wellknown = importlib.resources.files("grpc_tools") / "_proto"
    site = sysconfig.get_path("purelib")
    includes = [f"-I{PROTOS}", f"-I{wellknown}", f"-I{site}"]
    plugins = [
        f"--plugin={name}={Path(sys.executable).parent / name}"
        for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
    ]
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *plugins, *args]
    subprocess.run(command, check=True)


def write(out: Path) -> None:
    """Write stubs of every file below protos/ and one descriptor set of all into `out`."""
    (out / "smartcity").mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    with tempfile.NamedTemporaryFile(suffix=".binpb") as validate:
        validate.write(validate_descriptors().SerializeToString())
        validate.flush()
        known = f"--descriptor_set_in={validate.name}"
        protoc(known, f"--python_out={out}", f"--mypy_out=quiet:{out}", VALIDATE, *sources)
        protoc(known, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}", *sources)
        described = f"--descriptor_set_out={out / 'smartcity/descriptors.binpb'}"
        protoc(known, described, "--include_imports", "--include_source_info", *sources)
    for stub in out.rglob("*_grpc.py*"):
        if "service" not in stub.name:
            stub.unlink()


def main() -> None:
    """Replace the generated packages."""
    for package in ("buf", "smartcity"):
        shutil.rmtree(OUT / package, ignore_errors=True)
    write(OUT)


if __name__ == "__main__":
    main()
