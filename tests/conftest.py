"""Fast tests first, and no slow one after a failed fast one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore import loaders, session

STAGES = ("local_aws", "runtime", "system")
"""Markers in the order in which their tests run; tests with none of them come first."""

# Airflow writes a configuration and logs into its home as soon as it is imported: each of pytest's parallel
# processes has its own.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["AIRFLOW_HOME"] = str(
    Path(__file__).resolve().parent.parent / "var" / "tests" / f"airflow-{WORKER}"
)
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")


@pytest.fixture(scope="session", autouse=True)
def one_botocore_loader() -> Iterator[None]:
    """Speed: botocore reads the models of services (megabytes) once, not once for each client."""
    loader = loaders.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "create_loader", lambda search_path_string=None: loader)
        yield


def stage_of(item: pytest.Item) -> int:
    """0 for a test with no stage's marker."""
    return max(
        (STAGES.index(mark.name) + 1 for mark in item.iter_markers() if mark.name in STAGES), default=0
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=stage_of)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    result = yield
    if nextitem is not None and stage_of(nextitem) > stage_of(item) and item.session.testsfailed:
        item.session.shouldfail = f"failures before the tests marked {STAGES[stage_of(nextitem) - 1]}"
    return result
