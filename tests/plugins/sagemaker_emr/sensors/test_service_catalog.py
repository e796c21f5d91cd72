from __future__ import annotations

import pytest

from sagemaker_emr.exceptions import InvalidInput, ProvisioningFailed, UnknownState
from sagemaker_emr.sensors.service_catalog import ServiceCatalogRecordSucceededSensor
from tests.plugins.sagemaker_emr import aws_enums
from tests.plugins.sagemaker_emr.conftest import aws_error
from tests.plugins.sagemaker_emr.sensors.test_emr import record

both = pytest.mark.parametrize("deferrable", [True, False])


def sensor(deferrable, **kwargs):
    return ServiceCatalogRecordSucceededSensor(
        task_id="w", record_id="rec-1", deferrable=deferrable, timeout=10, aws_conn_id=None, **kwargs
    )


@both
def test_only_failed_fails(deferrable, aws, run_task):
    """IN_PROGRESS_IN_ERROR may still end either way."""
    aws.on(
        "DescribeRecord",
        *[record(status) for status in ("CREATED", "IN_PROGRESS", "IN_PROGRESS_IN_ERROR")],
        record("SUCCEEDED", {"ClusterId": "j-1"}),
    )
    assert run_task(lambda: sensor(deferrable)) == {"record_id": "rec-1", "outputs": {"ClusterId": "j-1"}}


@both
def test_a_failed_record_carries_service_catalogs_reason(deferrable, aws, run_task):
    errors = [{"Code": "AccessDenied", "Description": "launch role"}]
    aws.on("DescribeRecord", record("IN_PROGRESS_IN_ERROR"), record("FAILED", RecordErrors=errors))
    with pytest.raises(ProvisioningFailed, match="rec-1") as raised:
        run_task(lambda: sensor(deferrable))
    assert raised.value.reason == "AccessDenied: launch role"


def test_all_pages_of_outputs_are_read(aws, run_task):
    first = {**record("SUCCEEDED", {"A": "1"}), "NextPageToken": "more"}
    aws.on("DescribeRecord", record("SUCCEEDED"), first, record("SUCCEEDED", {"B": "2"}))
    assert run_task(lambda: sensor(False))["outputs"] == {"A": "1", "B": "2"}


def test_throttling_is_forgiven(aws, run_task):
    aws.on("DescribeRecord", aws_error("ThrottlingException"), record("SUCCEEDED"))
    assert run_task(lambda: sensor(True))["outputs"] == {}


def test_rescheduling_is_refused_and_the_better_way_is_named():
    with pytest.raises(InvalidInput, match="reschedule") as raised:
        sensor(False, mode="reschedule")
    assert "deferrable=True" in raised.value.next_step


@both
@pytest.mark.parametrize("status", aws_enums.RECORD)
def test_in_each_state_a_record_is_waited_for_used_or_named(status, deferrable, aws, run_task):
    aws.on("DescribeRecord", record(status), *([] if status == "FAILED" else [record("SUCCEEDED")]))
    if status == "FAILED":
        with pytest.raises(ProvisioningFailed, match="Record rec-1"):
            run_task(lambda: sensor(deferrable))
    else:
        assert run_task(lambda: sensor(deferrable))["record_id"] == "rec-1"


def test_a_record_in_a_state_from_the_future_is_named(aws, run_task):
    aws.on("DescribeRecord", record("PAUSED"))
    with pytest.raises(UnknownState, match="PAUSED"):
        run_task(lambda: sensor(False))
