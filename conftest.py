"""The fixtures that every package's tests share."""

pytest_plugins = ["devstack.testing", "inventory.testing"]
