from __future__ import annotations

from datetime import datetime

import pytest
from airflow.sdk import DAG

from sagemaker_emr.airflow_versions import CronDataIntervalTimetable
from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.schedules import CATCH_UP_VARIABLE, catch_up


@pytest.fixture
def daily():
    """``daily()``: a DAG with a daily schedule, as it is parsed in this environment."""
    return lambda: DAG("daily", schedule=CronDataIntervalTimetable("@daily", timezone="UTC"), **catch_up())


@pytest.mark.parametrize("unset", [None, ""])
def test_by_itself_no_day_is_caught_up_with_and_none_is_too_early(monkeypatch, daily, unset):
    monkeypatch.delenv(CATCH_UP_VARIABLE, raising=False)
    if unset is not None:
        monkeypatch.setenv(CATCH_UP_VARIABLE, unset)
    dag = daily()
    assert (dag.catchup, dag.start_date) == (False, None)


def test_each_day_since_the_one_that_the_environment_names_is_caught_up_with(monkeypatch, daily):
    monkeypatch.setenv(CATCH_UP_VARIABLE, "2026-11-01")
    dag = daily()
    assert dag.catchup
    assert dag.start_date.isoformat() == datetime(2026, 11, 1).isoformat() + "+00:00"


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "2026-11-01T00:00", "01.11.2026"])
def test_a_value_that_is_no_day_is_an_error_that_says_so(monkeypatch, value):
    monkeypatch.setenv(CATCH_UP_VARIABLE, value)
    with pytest.raises(InvalidInput) as raised:
        catch_up()
    assert all(word in str(raised.value) for word in (CATCH_UP_VARIABLE, repr(value), "2026-11-01"))
