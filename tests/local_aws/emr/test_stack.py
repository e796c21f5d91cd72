"""AWS::EMR::Cluster in a stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from .conftest import INSTANCE_PROFILE, SERVICE_ROLE, describe

pytestmark = pytest.mark.local_aws

OFTEN = {"Delay": 0.1, "MaxAttempts": 600}


def template(**changed: Any) -> str:
    """A template with one cluster, its numbers and booleans written as strings, as templates may."""
    node = {"InstanceType": "m5.xlarge", "Market": "ON_DEMAND"}
    cluster = {
        "Name": "from a stack",
        "ReleaseLabel": "emr-7.8.0",
        "Applications": [{"Name": "Spark"}],
        "ServiceRole": SERVICE_ROLE,
        "JobFlowRole": INSTANCE_PROFILE,
        "VisibleToAllUsers": "true",
        "EbsRootVolumeSize": "20",
        "AutoTerminationPolicy": {"IdleTimeout": "3600"},
        "Configurations": [
            {
                "Classification": "livy-conf",
                "ConfigurationProperties": {"livy.server.session.timeout": "2h"},
            }
        ],
        "Instances": {
            "KeepJobFlowAliveWhenNoSteps": "true",
            "TerminationProtected": False,
            "MasterInstanceGroup": {**node, "Name": "Master", "InstanceCount": 1},
            "CoreInstanceGroup": {**node, "Name": "Core", "InstanceCount": "2"},
        },
        "Tags": [{"Key": "owner", "Value": "tests"}],
        **changed,
    }
    return json.dumps(
        {
            "Resources": {"Cluster": {"Type": "AWS::EMR::Cluster", "Properties": cluster}},
            "Outputs": {
                "ClusterId": {"Value": {"Ref": "Cluster"}},
                "Master": {"Value": {"Fn::GetAtt": ["Cluster", "MasterPublicDNS"]}},
            },
        }
    )


@pytest.fixture(scope="module")
def cloudformation(account: Callable[..., Any]) -> Any:
    return account("cloudformation")


def test_a_stack_makes_changes_and_ends_its_cluster(cloudformation: Any, emr: Any) -> None:
    cloudformation.create_stack(StackName="cluster", TemplateBody=template())
    cloudformation.get_waiter("stack_create_complete").wait(StackName="cluster", WaiterConfig=OFTEN)
    [stack] = cloudformation.describe_stacks(StackName="cluster")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    cluster = describe(emr, outputs["ClusterId"])
    assert cluster["Status"]["State"] in ("RUNNING", "WAITING")
    assert cluster["MasterPublicDnsName"] == outputs["Master"]
    assert cluster["EbsRootVolumeSize"] == 20
    assert cluster["Configurations"][0]["Properties"] == {"livy.server.session.timeout": "2h"}
    assert {"Key": "owner", "Value": "tests"} in cluster["Tags"]
    groups = emr.list_instance_groups(ClusterId=cluster["Id"])["InstanceGroups"]
    assert [(each["Name"], each["RequestedInstanceCount"]) for each in groups] == [("Master", 1), ("Core", 2)]
    policy = emr.get_auto_termination_policy(ClusterId=cluster["Id"])["AutoTerminationPolicy"]
    assert policy == {"IdleTimeout": 3600}

    changed = template(AutoTerminationPolicy={"IdleTimeout": 7200})
    cloudformation.update_stack(StackName="cluster", TemplateBody=changed)
    cloudformation.get_waiter("stack_update_complete").wait(StackName="cluster", WaiterConfig=OFTEN)
    policy = emr.get_auto_termination_policy(ClusterId=cluster["Id"])["AutoTerminationPolicy"]
    assert policy == {"IdleTimeout": 7200}

    cloudformation.delete_stack(StackName="cluster")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack["StackId"], WaiterConfig=OFTEN)
    assert describe(emr, cluster["Id"])["Status"]["State"] == "TERMINATED"


def test_a_cluster_that_fails_to_start_fails_its_stack_with_the_reason(cloudformation: Any) -> None:
    cloudformation.create_stack(StackName="failing", TemplateBody=template(ServiceRole="absent"))
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_create_complete").wait(StackName="failing", WaiterConfig=OFTEN)
    events = cloudformation.describe_stack_events(StackName="failing")["StackEvents"]
    [reason] = [
        event["ResourceStatusReason"]
        for event in events
        if event["LogicalResourceId"] == "Cluster" and event["ResourceStatus"] == "CREATE_FAILED"
    ]
    assert "VALIDATION_ERROR" in reason
    assert "role/absent is invalid" in reason
