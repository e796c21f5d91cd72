"""The DAG files as Airflow's own parser sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DAGS_FOLDER = PROJECT / "dags"


@pytest.fixture(scope="session")
def dags() -> dict[str, Any]:
    """Each DAG by id; a file that does not import fails here, with its traceback."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(DAGS_FOLDER)
    assert bag.import_errors == {}
    return dict(bag.dags)
