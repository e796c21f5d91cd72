"""Clusters without Livy: what is accepted, refused and shown, and how they start and end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.emr import cluster as clusters
from local_aws.emr import responses

from .conftest import describe, group, parameters, wait_for, wait_until_ended

pytestmark = pytest.mark.local_aws


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_cluster_starts_at_once_and_is_ready_later(emr: Any, unhurried: None) -> None:
    started = emr.run_job_flow(**parameters(Tags=[{"Key": "owner", "Value": "tests"}]))
    cluster_id = started["JobFlowId"]
    assert started["ClusterArn"].endswith(f":cluster/{cluster_id}")
    cluster = describe(emr, cluster_id)
    assert cluster["Status"]["State"] == "STARTING"
    assert cluster["ReleaseLabel"] == "emr-7.8.0"
    assert cluster["Tags"] == [{"Key": "owner", "Value": "tests"}]
    assert not cluster["AutoTerminate"]
    states = set()
    while (cluster := describe(emr, cluster_id))["Status"]["State"] != "WAITING":
        states.add(cluster["Status"]["State"])
        time.sleep(0.05)
    assert states <= {"STARTING", "BOOTSTRAPPING", "RUNNING"}
    assert "BOOTSTRAPPING" in states
    timeline = cluster["Status"]["Timeline"]
    assert timeline["ReadyDateTime"] > timeline["CreationDateTime"]


def test_a_cluster_lives_in_its_own_region(emr: Any, account: Callable[..., Any]) -> None:
    elsewhere = account("emr", "eu-west-1")
    cluster_id = elsewhere.run_job_flow(**parameters())["JobFlowId"]
    assert ":eu-west-1:" in describe(elsewhere, cluster_id)["ClusterArn"]
    assert refused(emr.describe_cluster, ClusterId=cluster_id) == (
        "InvalidRequestException",
        f"Cluster id '{cluster_id}' is not valid.",
    )


@pytest.mark.parametrize("label", ["emr-6.3.0", "emr-5.33.1", "emr-6.15.0", "emr-99.0.0"])
def test_a_release_with_another_spark_is_refused(emr: Any, label: str) -> None:
    code, message = refused(emr.run_job_flow, **parameters(ReleaseLabel=label))
    assert code == "ValidationException"
    assert f"The supplied release label is invalid: {label}." in message
    assert "Spark 3.5" in message


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"EbsRootVolumeSize": 10}, "EbsRootVolumeSize 10"),
        ({"Applications": [{"Name": "Presto"}]}, "Presto"),
        ({"Configurations": [{"Classification": "hive-site", "Properties": {}}]}, "hive-site"),
        ({"StepConcurrencyLevel": 2}, "StepConcurrencyLevel"),
        ({"Steps": [{"Name": "s", "HadoopJarStep": {"Jar": "s3://bucket/own.jar"}}]}, "s3://bucket/own.jar"),
        ({"AutoTerminationPolicy": {"IdleTimeout": 59}}, "IdleTimeout"),
        ({"Instances": {"InstanceGroups": [group("MASTER", 3)]}}, "one master"),
        ({"Instances": {"InstanceGroups": [group("CORE")]}}, "one MASTER"),
        ({"Instances": {"HadoopVersion": "3"}}, "Instances.HadoopVersion"),
        ({"LogUri": "file:///var/log"}, "LogUri"),
        ({"JobFlowRole": "no-such-profile"}, "Invalid InstanceProfile: no-such-profile."),
        (
            {"BootstrapActions": [{"Name": "b", "ScriptBootstrapAction": {"Path": "/b.sh"}}]},
            "not an s3:// path",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_can_not_be_played_is_refused_by_name(emr: Any, changed: dict[str, Any], named: str) -> None:
    code, message = refused(emr.run_job_flow, **parameters(Name="refused", **changed))
    assert code == "ValidationException"
    assert named in message
    assert "refused" not in {found["Name"] for found in emr.list_clusters()["Clusters"]}


def test_an_operation_that_is_not_played_is_refused(emr: Any) -> None:
    assert refused(emr.list_studios) == ("ValidationException", "ListStudios is not played by local_aws.")


def test_a_missing_service_role_ends_the_cluster(emr: Any) -> None:
    cluster_id = emr.run_job_flow(**parameters(ServiceRole="absent"))["JobFlowId"]
    status = wait_until_ended(emr, cluster_id)
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    assert status["StateChangeReason"] == {
        "Code": "VALIDATION_ERROR",
        "Message": "EMR service role arn:aws:iam::123456789012:role/absent is invalid",
    }


def test_a_missing_subnet_ends_the_cluster(emr: Any) -> None:
    cluster_id = emr.run_job_flow(**parameters(Instances={"Ec2SubnetId": "subnet-0123456789abcdef0"}))[
        "JobFlowId"
    ]
    reason = wait_until_ended(emr, cluster_id)["StateChangeReason"]
    assert reason["Code"] == "VALIDATION_ERROR"
    assert "The subnet subnet-0123456789abcdef0 does not exist." in reason["Message"]


def test_a_private_subnet_needs_a_service_access_group_that_admits_the_master(
    emr: Any, account: Callable[..., Any]
) -> None:
    ec2 = account("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    master, core, access = (
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        for name in ("master", "core", "access")
    )
    network = {
        "Ec2SubnetId": subnet,
        "EmrManagedMasterSecurityGroup": master,
        "EmrManagedSlaveSecurityGroup": core,
    }

    def reason(**instances: str) -> str:
        cluster_id = emr.run_job_flow(**parameters(Instances=network | instances))["JobFlowId"]
        return str(wait_until_ended(emr, cluster_id)["StateChangeReason"]["Message"])

    assert "must also specify a ServiceAccessSecurityGroup" in reason()
    assert "missing ingress rule" in reason(ServiceAccessSecurityGroup=access)
    pair = {"GroupId": master}
    ec2.authorize_security_group_ingress(
        GroupId=access,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 9443, "ToPort": 9443, "UserIdGroupPairs": [pair]},
        ],
    )
    cluster_id = emr.run_job_flow(**parameters(Instances=network | {"ServiceAccessSecurityGroup": access}))[
        "JobFlowId"
    ]
    attributes = wait_for(emr, "cluster_running", cluster_id)["Ec2InstanceAttributes"]
    assert attributes["Ec2SubnetId"] == subnet
    assert attributes["ServiceAccessSecurityGroup"] == access


def test_clusters_are_listed_by_state(emr: Any) -> None:
    first, second = (emr.run_job_flow(**parameters(Name=name))["JobFlowId"] for name in ("one", "two"))
    assert [found["Id"] for found in emr.list_clusters()["Clusters"][:2]] == [second, first]
    emr.terminate_job_flows(JobFlowIds=[first])
    wait_for(emr, "cluster_terminated", first)
    gone = {each["Id"]: each["Name"] for each in emr.list_clusters(ClusterStates=["TERMINATED"])["Clusters"]}
    assert gone[first] == "one"
    assert second not in gone


@pytest.mark.usefixtures("unhurried")
def test_clusters_and_instances_are_listed_page_by_page(emr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "PAGE", 2)
    started = [emr.run_job_flow(**parameters())["JobFlowId"] for _ in range(3)]
    assert len(emr.list_clusters()["Clusters"]) == 2
    pages = emr.get_paginator("list_clusters").paginate()
    assert [found["Id"] for page in pages for found in page["Clusters"]][:3] == started[::-1]
    wait_for(emr, "cluster_running", started[0])
    pages = list(emr.get_paginator("list_instances").paginate(ClusterId=started[0]))
    ids = [found["Id"] for page in pages for found in page["Instances"]]
    assert len(ids) == len(set(ids)) == 3
    assert len(pages) == 2
    emr.terminate_job_flows(JobFlowIds=started)


def test_instances_are_ec2_instances_until_the_cluster_ends(emr: Any, account: Callable[..., Any]) -> None:
    cluster_id = emr.run_job_flow(**parameters())["JobFlowId"]
    master = wait_for(emr, "cluster_running", cluster_id)["MasterPublicDnsName"]
    groups = emr.list_instance_groups(ClusterId=cluster_id)["InstanceGroups"]
    assert [(each["InstanceGroupType"], each["RunningInstanceCount"]) for each in groups] == [
        ("MASTER", 1),
        ("CORE", 2),
    ]
    [found] = emr.list_instances(ClusterId=cluster_id, InstanceGroupTypes=["MASTER"])["Instances"]
    assert found["PrivateDnsName"] == master
    instances = emr.list_instances(ClusterId=cluster_id, InstanceStates=["RUNNING"])["Instances"]
    ids = [each["Ec2InstanceId"] for each in instances]
    assert len(ids) == 3
    emr.terminate_job_flows(JobFlowIds=[cluster_id])
    wait_for(emr, "cluster_terminated", cluster_id)
    described = account("ec2").describe_instances(InstanceIds=ids)["Reservations"]
    states = {each["State"]["Name"] for reservation in described for each in reservation["Instances"]}
    assert states <= {"shutting-down", "terminated"}


def test_a_protected_cluster_is_not_terminated(emr: Any, unhurried: None) -> None:
    cluster_id = emr.run_job_flow(**parameters(Instances={"TerminationProtected": True}))["JobFlowId"]
    code, message = refused(emr.terminate_job_flows, JobFlowIds=[cluster_id])
    assert code == "ValidationException"
    assert "termination protected" in message
    emr.set_termination_protection(JobFlowIds=[cluster_id], TerminationProtected=False)
    emr.terminate_job_flows(JobFlowIds=[cluster_id])
    assert describe(emr, cluster_id)["Status"]["State"] == "TERMINATING"
    status = wait_for(emr, "cluster_terminated", cluster_id)["Status"]
    assert status["StateChangeReason"] == {"Code": "USER_REQUEST", "Message": "Terminated by user request"}
    assert status["Timeline"]["EndDateTime"]


def test_terminating_what_does_not_exist_is_refused(emr: Any) -> None:
    assert refused(emr.terminate_job_flows, JobFlowIds=["j-ABCDEFGHIJKLM"]) == (
        "ValidationException",
        "Specified job flow ID does not exist.",
    )


def test_a_cluster_that_is_not_kept_alive_ends_after_its_steps(emr: Any) -> None:
    asked = parameters(Instances={"KeepJobFlowAliveWhenNoSteps": False})
    status = wait_until_ended(emr, emr.run_job_flow(**asked)["JobFlowId"])
    assert status["State"] == "TERMINATED"
    assert status["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"


def test_an_idle_cluster_is_ended_by_its_policy(emr: Any) -> None:
    policy = {"IdleTimeout": 60}
    cluster_id = emr.run_job_flow(**parameters(AutoTerminationPolicy=policy))["JobFlowId"]
    assert emr.get_auto_termination_policy(ClusterId=cluster_id)["AutoTerminationPolicy"] == policy
    status = wait_until_ended(emr, cluster_id)
    assert status["State"] == "TERMINATED"
    assert "idle for 60 seconds" in status["StateChangeReason"]["Message"]


def test_a_clock_that_is_not_scaled_may_have_an_idle_cluster_live_longer(
    emr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "settings", replace(clusters.settings, least_idle_seconds=3.0))
    cluster_id = emr.run_job_flow(**parameters(AutoTerminationPolicy={"IdleTimeout": 60}))["JobFlowId"]
    status = wait_until_ended(emr, cluster_id)
    assert "idle for 60 seconds" in status["StateChangeReason"]["Message"]
    times = status["Timeline"]
    assert (times["EndDateTime"] - times["ReadyDateTime"]).total_seconds() >= 2


def test_the_auto_termination_policy_can_be_put_and_removed(emr: Any) -> None:
    cluster_id = emr.run_job_flow(**parameters())["JobFlowId"]
    assert "AutoTerminationPolicy" not in emr.get_auto_termination_policy(ClusterId=cluster_id)
    emr.put_auto_termination_policy(ClusterId=cluster_id, AutoTerminationPolicy={"IdleTimeout": 3600})
    found = emr.get_auto_termination_policy(ClusterId=cluster_id)["AutoTerminationPolicy"]
    assert found == {"IdleTimeout": 3600}
    emr.remove_auto_termination_policy(ClusterId=cluster_id)
    assert "AutoTerminationPolicy" not in emr.get_auto_termination_policy(ClusterId=cluster_id)


def test_tags_are_added_and_removed(emr: Any) -> None:
    cluster_id = emr.run_job_flow(**parameters(Tags=[{"Key": "a", "Value": "1"}]))["JobFlowId"]
    emr.add_tags(ResourceId=cluster_id, Tags=[{"Key": "b", "Value": "2"}])
    emr.remove_tags(ResourceId=cluster_id, TagKeys=["a"])
    assert describe(emr, cluster_id)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_visibility_can_be_changed(emr: Any) -> None:
    cluster_id = emr.run_job_flow(**parameters(VisibleToAllUsers=True))["JobFlowId"]
    emr.set_visible_to_all_users(JobFlowIds=[cluster_id], VisibleToAllUsers=False)
    assert not describe(emr, cluster_id)["VisibleToAllUsers"]


def test_release_labels_are_those_with_the_installed_spark(emr: Any) -> None:
    first = emr.list_release_labels(Filters={"Prefix": "emr-7."}, MaxResults=3)
    rest = emr.list_release_labels(Filters={"Prefix": "emr-7."}, NextToken=first["NextToken"])
    labels = first["ReleaseLabels"] + rest["ReleaseLabels"]
    assert len(first["ReleaseLabels"]) == 3
    assert {"emr-7.0.0", "emr-7.8.0", "emr-7.10.0"} <= set(labels)
    assert emr.list_release_labels(Filters={"Application": "spark@3.5.4"})["ReleaseLabels"] == ["emr-7.8.0"]
    applications = emr.describe_release_label(ReleaseLabel="emr-7.8.0")["Applications"]
    assert {"Name": "Spark", "Version": "3.5.4"} in applications


def test_block_public_access_is_on_by_default(emr: Any) -> None:
    found = emr.get_block_public_access_configuration()["BlockPublicAccessConfiguration"]
    assert found["BlockPublicSecurityGroupRules"]
    assert found["PermittedPublicSecurityGroupRuleRanges"] == [{"MinRange": 22, "MaxRange": 22}]
