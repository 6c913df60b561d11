"""What the tests of a cluster ask kubectl for."""

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PROGRAM = shutil.which("kubectl") or "kubectl"
FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
PATIENCE_S = 900


def kubectl(*words: str, given: str | None = None) -> str:
    """Run kubectl; return what it printed.

    Raises:
        subprocess.CalledProcessError: It failed; its words are in `stderr`.
    """
    done = subprocess.run(
        [PROGRAM, *words],
        input=given,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    return done.stdout


def read(namespace: str, *words: str) -> dict[str, Any]:
    """Return an object, or a list of them, of a namespace."""
    found: dict[str, Any] = json.loads(kubectl("-n", namespace, "get", *words, "-o", "json"))
    return found


def secret(namespace: str, name: str) -> dict[str, str]:
    """Return what a Secret holds."""
    data = read(namespace, "secret", name)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


@contextmanager
def forwarded(namespace: str, service: str, port: int) -> Iterator[int]:
    """Give the local port that leads to a service while the block runs."""
    words = [PROGRAM, "-n", namespace, "port-forward", f"service/{service}", f":{port}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        try:
            line = child.stdout.readline() if child.stdout else ""
            found = FORWARDED.search(line)
            if found is None:
                raise RuntimeError(f"kubectl forwards no port to {namespace}/{service}: {line!r}")
            yield int(found[1])
        finally:
            child.terminate()
