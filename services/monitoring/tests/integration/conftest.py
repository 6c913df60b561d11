"""What the tests of agents share."""

import pytest
from monitoring.testing import Monitoring
from monitoring.testing_agents import Probe, create


@pytest.fixture
async def probe(monitoring: Monitoring) -> Probe:
    """Give an enrolled agent of points P-0 and P-1."""
    one = Probe(monitoring)
    await one.enrol((await create(monitoring)).enrolment_code)
    return one
