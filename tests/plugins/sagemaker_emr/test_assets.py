from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.sdk.execution_time.context import OutletEventAccessors, TriggeringAssetEventsAccessor

from sagemaker_emr import airflow_versions, assets
from sagemaker_emr.assets import (
    FEATURE_PARTITIONS,
    FeaturePartition,
    emit,
    triggering_events,
    triggering_partitions,
)
from sagemaker_emr.exceptions import InvalidInput
from tests.airflow_names import needs_partitions

MANIFEST = "s3://features/flights/date=2013-02-14/_manifest.json"


def announce(**changes):
    """What Airflow would send for the event."""
    context = {"outlet_events": OutletEventAccessors()}
    parameters = {
        "environment": "dev",
        "date": "2013-02-14",
        "manifest_uri": MANIFEST,
        "etag": "e1",
        "rows": 3,
    }
    emit(context, **{**parameters, **changes})
    return context["outlet_events"][FEATURE_PARTITIONS]


def of_run(partition_key):
    return {"dag_run": SimpleNamespace(partition_key=partition_key)}


@needs_partitions
def test_an_event_says_which_version_of_which_day_is_committed():
    event = announce()
    assert event.partition_keys == {"dev|2013-02-14"}
    assert event.extra == {
        "environment": "dev",
        "date": "2013-02-14",
        "manifest_uri": MANIFEST,
        "etag": "e1",
        "rows": 3,
    }


@needs_partitions
def test_a_run_finds_the_partition_that_was_announced():
    (key,) = announce(environment="prodeu").partition_keys
    assert triggering_partitions(of_run(key)) == [FeaturePartition("prodeu", "2013-02-14")]


@needs_partitions
@pytest.mark.parametrize("key", [None, ""])
def test_a_run_from_the_form_has_no_partition(key):
    assert triggering_partitions(of_run(key)) == []


@needs_partitions
@pytest.mark.parametrize("key", ["2013-02-14", "dev|soon", "dev|2013-02-14|x"])
def test_a_partition_key_that_is_none_is_refused(key):
    with pytest.raises(InvalidInput, match=r"expected <environment>\|YYYY-MM-DD"):
        triggering_partitions(of_run(key))


def test_a_date_that_is_none_is_not_announced():
    with pytest.raises(InvalidInput, match="no partition key"):
        announce(date="14.02.2013")


def test_a_run_reads_what_its_events_announced():
    extra = announce().extra
    assert triggering_events(started_by(extra)) == [extra]
    assert triggering_events({"triggering_asset_events": {}}) == []


# Before Airflow 3.2


@pytest.fixture
def without_partitions(monkeypatch):
    monkeypatch.setattr(airflow_versions, "ASSETS_HAVE_PARTITIONS", False)


def started_by(*extras):
    """The context of a run that these events started together, the oldest first."""
    events = [
        SimpleNamespace(
            asset=SimpleNamespace(name=FEATURE_PARTITIONS.name, uri=FEATURE_PARTITIONS.uri),
            source_aliases=[],
            extra=extra,
        )
        for extra in extras
    ]
    return {
        "dag_run": SimpleNamespace(),
        "params": {"environment": "form"},
        "triggering_asset_events": TriggeringAssetEventsAccessor.build(events),
    }


def told(environment, day):
    return {"environment": environment, "date": day, "etag": "e1"}


def test_without_partitions_an_event_tells_its_day_all_the_same(without_partitions):
    extra = announce().extra
    assert triggering_partitions(started_by(extra)) == [FeaturePartition("dev", "2013-02-14")]


def test_without_partitions_a_run_answers_all_days_that_came_together(without_partitions):
    context = started_by(told("dev", "2013-02-15"), told("dev", "2013-02-14"), told("dev", "2013-02-15"))
    assert [partition.date for partition in triggering_partitions(context)] == ["2013-02-14", "2013-02-15"]


@pytest.mark.parametrize(
    ("extras", "environment"),
    [
        ([], "form"),
        ([{"from_rest_api": True}], "form"),
        ([told("dev", "2013-02-14")], "dev"),
        ([told("dev", "2013-02-14"), told("prod", "2013-02-13"), {}], "prod"),
    ],
    ids=["by hand", "an event of somebody's", "one day", "two environments"],
)
def test_without_partitions_the_last_announcement_decides_the_environment(
    without_partitions, extras, environment
):
    context = started_by(*extras)
    template = DAG("any", schedule=None).get_template_env().from_string(assets._BY_EVENTS)
    assert template.render(context) == environment
    assert {partition.environment for partition in triggering_partitions(context)} <= {environment}
