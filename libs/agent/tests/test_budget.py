"""A month's data are never overdrawn, whatever ends the agent."""

import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from devstack.outside import Outside
from hypothesis import given, settings
from hypothesis import strategies as st
from siteagent.budget import Budget, Reservation, month_of
from siteagent.store import Store

NOVEMBER = int(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC).timestamp() * 1e6)
DECEMBER = NOVEMBER + 1_000_000
HELD = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 80) | st.none()), max_size=25)


@settings(max_examples=60)
@given(transfers=HELD, limit=st.integers(0, 300))
def test_a_budget_pays_as_long_as_it_can(
    tmp_path_factory: pytest.TempPathFactory, transfers: list[tuple[int, int | None]], limit: int
) -> None:
    store = Store(tmp_path_factory.mktemp("budget") / "db")
    budget, spent = Budget(store, limit), 0
    for size, used in transfers:
        paid = budget.reserve(size, NOVEMBER)
        assert (paid is not None) == (spent + size <= limit)
        if paid is None:
            continue
        spent += size
        if used is not None:  # None: killed before it was settled
            budget.settle(paid, used)
            spent -= max(size - used, 0)
        assert budget.spent(NOVEMBER) == spent <= limit
    store.close()


def test_each_month_has_its_own_data(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    budget = Budget(store, 100)
    paid = budget.reserve(100, NOVEMBER)
    assert paid == Reservation("2026-11", 100)
    assert budget.reserve(1, NOVEMBER) is None
    assert budget.reserve(60, DECEMBER)
    budget.settle(paid, 30)
    assert (budget.spent(NOVEMBER), budget.spent(DECEMBER)) == (30, 60)
    assert month_of(DECEMBER) == "2026-12"
    store.close()


SPENDING = """
import sys
from pathlib import Path
from siteagent.budget import Budget
from siteagent.store import Store

budget = Budget(Store(Path(sys.argv[1])), 10**9)
number = 0
while True:
    number += 1
    paid = budget.reserve(10, 1_764_000_000_000_000)
    print(number, flush=True)
"""


async def test_what_was_paid_is_paid_after_a_kill(tmp_path: Path) -> None:
    process = await Outside.start("-c", SPENDING, str(tmp_path / "db"))
    await process.line("25")
    await process.end(signal.SIGKILL)
    flowed = max(int(line) for line in process.lines if line.endswith("\n"))
    store = Store(tmp_path / "db")
    assert Budget(store, 10**9).spent(1_764_000_000_000_000) in (flowed * 10, flowed * 10 + 10)
    store.close()
