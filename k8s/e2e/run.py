"""`make e2e-k8s`: install the platform into a cluster, and see that it survives what it must.

It kills pods, drains nodes and restores databases, so it runs against the kind cluster of
`make kind-up`, or against the context that `SMARTCITY_E2E_CONTEXT` names. Otherwise it says why it
does not, and that is no failure.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

K8S = Path(__file__).parents[1]
ROOT = K8S.parent
LAPTOP = "kind-smartcity"
ADDRESS = "https://smartcity.localhost:8443"
ISSUER = "https://auth.smartcity.localhost:8443/realms/smartcity"
JOURNEYS = ("tests/e2e/test_point_journey.py",)
"""Those that need nothing but the edge's address and a token."""


def main() -> int:
    """Return the exit code; 0 also when there is no cluster to test on."""
    reason = why_not()
    if reason:
        sys.stdout.write(f"e2e-k8s is skipped: {reason}\n")
        return 0
    environment = os.environ.get("SMARTCITY_E2E_ENVIRONMENT", "laptop")
    os.environ.setdefault("SMARTCITY_E2E_ADDRESS", ADDRESS)
    os.environ.setdefault("SMARTCITY_E2E_ISSUER", ISSUER)
    fixtures = os.pathsep.join((str(K8S / "e2e"), os.environ.get("PYTHONPATH", "")))
    os.environ["PYTHONPATH"] = fixtures
    steps = (
        [str(K8S / "install.sh"), environment],
        [str(K8S / "inventory.sh"), environment, "load", "--region", "64.01", "data/paser"],
        # The journeys' own fixtures start a local platform; here they get the cluster's.
        pytest("--noconftest", *JOURNEYS),
        pytest(str(K8S / "e2e/tests")),
    )
    for words in steps:
        done = subprocess.run(words, cwd=ROOT, check=False)
        if done.returncode != 0:
            return done.returncode
    return 0


def pytest(*words: str) -> list[str]:
    """Return the command of a run of pytest with the cluster's fixtures."""
    options = ("-q", "-p", "cluster_fixtures", "--timeout", "3600")
    return [sys.executable, "-m", "pytest", *options, *words]


def why_not() -> str:
    """Return why there is no cluster that these tests may use; "" when there is one."""
    kubectl = shutil.which("kubectl", path=_path())
    if kubectl is None:
        return "kubectl is not installed (make install)"
    context = _printed(kubectl, "config", "current-context")
    if not context:
        return "kubectl has no context: make kind-up makes a cluster on this machine"
    allowed = os.environ.get("SMARTCITY_E2E_CONTEXT", LAPTOP)
    if context != allowed:
        return (
            f"the context is {context!r}, not {allowed!r}; these tests kill pods and drain nodes, "
            f"so say SMARTCITY_E2E_CONTEXT={context} if it may be that cluster"
        )
    if not _printed(kubectl, "get", "--raw", "/version", "--request-timeout=10s"):
        return f"the cluster of {context!r} does not answer"
    return ""


def _printed(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _path() -> str:
    tools = str(Path(sys.executable).parent)
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{tools}"
    return os.environ["PATH"]


if __name__ == "__main__":
    sys.exit(main())
