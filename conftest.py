"""The fixtures that every package's tests share."""

import os

from hypothesis import settings

# The tests start servers while they have gRPC channels open. gRPC's own handlers around a fork
# abort the child now and then before it becomes the server (8 of 300 times when tried).
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

pytest_plugins = ["devstack.testing", "inventory.testing", "monitoring.testing"]

# Each worker has ports of its own.
worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
os.environ["SMARTCITY_PORTS_SHARE"] = f"{worker}/{workers}"

# No test depends on the machine's speed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
