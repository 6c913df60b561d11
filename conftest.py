"""The fixtures that every package's tests share."""

import os

from hypothesis import settings

# The tests start servers while they have gRPC channels open. gRPC's own handlers around a fork
# abort the child now and then before it becomes the server (8 of 300 times when tried).
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

pytest_plugins = ["devstack.testing", "inventory.testing", "monitoring.testing"]

# No test depends on the machine's speed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
