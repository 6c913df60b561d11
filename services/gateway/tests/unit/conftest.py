import pytest
from gateway.contract import Contract, load_contract
from gateway.routes import Routes


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load_contract({"inventory"})


@pytest.fixture(scope="session")
def routes(contract: Contract) -> Routes:
    return Routes(contract)
