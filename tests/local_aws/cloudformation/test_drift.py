"""Drift detection compares what is there with what the template says."""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError

from tests.conformance.account import poll_seconds

pytestmark = [pytest.mark.local_aws, pytest.mark.conformance, pytest.mark.usefixtures("unhurried")]

TEMPLATE = json.dumps(
    {
        "Resources": {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {"VersioningConfiguration": {"Status": "Enabled"}},
            },
            "Gateway": {"Type": "AWS::EC2::InternetGateway"},
        }
    }
)


@pytest.fixture
def cloudformation(client, stacks, data):
    stacks.create(data, TEMPLATE)
    return client("cloudformation")


def detect(cloudformation, data):
    detection = cloudformation.detect_stack_drift(StackName=data)["StackDriftDetectionId"]
    first = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
    assert first["DetectionStatus"] == "DETECTION_IN_PROGRESS"
    while True:
        found = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if found["DetectionStatus"] != "DETECTION_IN_PROGRESS":
            return found
        time.sleep(poll_seconds(0.05))


def drifts(cloudformation, data):
    found = cloudformation.describe_stack_resource_drifts(StackName=data)["StackResourceDrifts"]
    return {one["LogicalResourceId"]: one for one in found}


def bucket_name(cloudformation, data):
    found = cloudformation.describe_stack_resource(StackName=data, LogicalResourceId="Bucket")
    return found["StackResourceDetail"]["PhysicalResourceId"]


def test_an_untouched_stack_is_in_sync_and_what_is_not_compared_is_not_checked(cloudformation, data):
    found = detect(cloudformation, data)
    assert (found["StackDriftStatus"], found["DriftedStackResourceCount"]) == ("IN_SYNC", 0)
    assert set(drifts(cloudformation, data)) == {"Bucket"}
    listed = cloudformation.list_stack_resources(StackName=data)["StackResourceSummaries"]
    statuses = {
        one["LogicalResourceId"]: one["DriftInformation"]["StackResourceDriftStatus"] for one in listed
    }
    assert statuses == {"Bucket": "IN_SYNC", "Gateway": "NOT_CHECKED"}


def test_a_changed_property_is_told_with_both_values(cloudformation, data, client):
    client("s3").put_bucket_versioning(
        Bucket=bucket_name(cloudformation, data), VersioningConfiguration={"Status": "Suspended"}
    )
    assert detect(cloudformation, data)["StackDriftStatus"] == "DRIFTED"
    drift = drifts(cloudformation, data)["Bucket"]
    assert drift["StackResourceDriftStatus"] == "MODIFIED"
    (difference,) = drift["PropertyDifferences"]
    assert difference["PropertyPath"] == "/VersioningConfiguration"
    assert "Enabled" in difference["ExpectedValue"]
    assert "Suspended" in difference["ActualValue"]


def test_a_resource_that_is_gone_is_deleted(cloudformation, data, client):
    client("s3").delete_bucket(Bucket=bucket_name(cloudformation, data))
    detect(cloudformation, data)
    assert drifts(cloudformation, data)["Bucket"]["StackResourceDriftStatus"] == "DELETED"


def test_one_detection_at_a_time(cloudformation, data):
    cloudformation.detect_stack_drift(StackName=data)
    with pytest.raises(ClientError, match="already in progress"):
        cloudformation.detect_stack_drift(StackName=data)
