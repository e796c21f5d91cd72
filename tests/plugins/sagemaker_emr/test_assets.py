from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk.execution_time.context import OutletEventAccessors

from sagemaker_emr.assets import (
    FEATURE_PARTITIONS,
    FeaturePartition,
    emit,
    triggering_events,
    triggering_partition,
)
from sagemaker_emr.exceptions import InvalidInput

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


def test_a_run_finds_the_partition_that_was_announced():
    (key,) = announce(environment="prodeu").partition_keys
    assert triggering_partition(of_run(key)) == FeaturePartition("prodeu", "2013-02-14")


@pytest.mark.parametrize("key", [None, ""])
def test_a_run_from_the_form_has_no_partition(key):
    assert triggering_partition(of_run(key)) is None


@pytest.mark.parametrize("key", ["2013-02-14", "dev|soon", "dev|2013-02-14|x"])
def test_a_partition_key_that_is_none_is_refused(key):
    with pytest.raises(InvalidInput, match=r"expected <environment>\|YYYY-MM-DD"):
        triggering_partition(of_run(key))


def test_a_date_that_is_none_is_not_announced():
    with pytest.raises(InvalidInput, match="no partition key"):
        announce(date="14.02.2013")


def test_a_run_reads_what_its_events_announced():
    extra = announce().extra
    events = {FEATURE_PARTITIONS: [SimpleNamespace(extra=extra)]}
    assert triggering_events({"triggering_asset_events": events}) == [extra]
    assert triggering_events({"triggering_asset_events": {}}) == []
