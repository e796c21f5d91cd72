"""pytest, run against the account: the estimate, the meter, cleaning up after each test, and what was seen.

Loaded by ``python -m tests.conformance`` with ``-p``; without it the same tests talk to the embedded AWS.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import prices
from tests.conformance.account import RUN_VARIABLE, Account, Meter, Refused
from tests.conformance.sweep import Sweep

ACCOUNT = pytest.StashKey[Account]()
RESULTS = pytest.StashKey[Path]()
REFUSED = 3
RESULTS_VARIABLE = "CONFORMANCE_RESULTS"


def pytest_configure(config: pytest.Config) -> None:
    try:
        config.stash[ACCOUNT] = Account.opened(os.environ, os.environ[RUN_VARIABLE])
    except Refused as refusal:
        pytest.exit(str(refusal), returncode=REFUSED)
    config.stash[RESULTS] = Path(os.environ[RESULTS_VARIABLE])


def declared_usd(item: pytest.Item) -> float:
    """The most a test may cost, by its mark."""
    mark = item.get_closest_marker("conformance")
    return float(mark.kwargs.get("usd", prices.DEFAULT_TEST_USD)) if mark else 0.0


def estimated_usd(items: list[pytest.Item]) -> float:
    """The most that these tests and the sweeps after them can cost."""
    return sum(declared_usd(item) + prices.SWEEP_USD for item in items) + prices.SWEEP_USD


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    unmarked = [item.nodeid for item in session.items if not item.get_closest_marker("conformance")]
    if unmarked:
        pytest.exit(f"not marked conformance: {', '.join(unmarked)}", returncode=REFUSED)
    account, estimate = session.config.stash[ACCOUNT], estimated_usd(session.items)
    _note(session.config, collected=[item.nodeid for item in session.items], estimated_usd=estimate)
    print(f"\nat most {estimate:.2f} USD for {len(session.items)} tests")
    if estimate > account.consent.max_usd:
        pytest.exit(
            f"The run may cost {estimate:.2f} USD, more than the {account.consent.max_usd:.2f} of "
            "CONFORMANCE_MAX_USD; raise it, or choose fewer tests: nothing was made",
            returncode=REFUSED,
        )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.stash[ACCOUNT].meter = Meter(item.nodeid, declared_usd(item))


@pytest.fixture(autouse=True)
def _clean_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set up first, so torn down last: nothing of a test is there when the next begins."""
    yield
    _, left = Sweep(request.config.stash[ACCOUNT]).run()
    assert not left, f"left behind: {left}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[Any]:
    report = yield
    if report.when == "call" or report.failed:
        meter = item.config.stash[ACCOUNT].meter
        how = f"{type(call.excinfo.value).__name__}: {call.excinfo.value}" if call.excinfo else ""
        _note(
            item.config,
            test=item.nodeid,
            when=report.when,
            outcome=report.outcome,
            how=how[:500],
            calls=meter.calls,
            refused=meter.refused,
            usd=round(meter.usd, 4),
        )
    return report


def _note(config: pytest.Config, **line: Any) -> None:
    with config.stash[RESULTS].open("a") as file:
        file.write(json.dumps(line) + "\n")
