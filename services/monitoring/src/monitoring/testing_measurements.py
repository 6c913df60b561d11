"""Measurements as tests wait for them, and ones that are wrong."""

from typing import Any

from common.postgres.database import DatabaseAway
from devstack.waiting import until
from smartcity.monitoring.v1.measurement_pb2 import Measurement

from monitoring.testing import Monitoring, measured


async def comes_to(monitoring: Monitoring, count: int, within_s: float = 30) -> bool:
    """Wait until so many measurements are stored; tell whether they came to be."""

    async def so() -> bool:
        try:
            return await monitoring.stored() == count
        except DatabaseAway:
            return False

    return await until(so, within_s)


def wrong(**change: Any) -> Measurement:
    """Return a measurement that is good but for the change."""
    one = measured(1, 0)
    for name, value in change.items():
        setattr(one, name, value)
    return one
