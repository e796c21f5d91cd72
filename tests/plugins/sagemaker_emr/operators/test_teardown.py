"""Taking a platform down: the parts that are no stack."""

from __future__ import annotations

import pytest

from sagemaker_emr.exceptions import InvalidInput, PlatformNotReady
from sagemaker_emr.hooks.sagemaker_domain import DomainLeftoversHook
from sagemaker_emr.operators.cloud_formation import CloudFormationDeployStackOperator
from sagemaker_emr.operators.teardown import (
    DeleteBucketsOperator,
    ReportLeftoversOperator,
    RevokeRulesOfEmrOperator,
    SageMakerDeleteEndpointsOperator,
    confirm,
)

HERE = {"environment": "dev", "aws_conn_id": None}
TAGS = {"sagemaker-emr:environment": "dev"}


def test_an_environment_is_destroyed_only_when_its_name_was_typed_twice():
    confirm("dev", "dev")
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        confirm("dev", "prod")


def test_endpoints_of_other_environments_stay(aws, context):
    when = "2026-01-01T00:00:00Z"
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/"

    def endpoint(name):
        return {
            "EndpointName": name,
            "EndpointArn": arn + name,
            "CreationTime": when,
            "LastModifiedTime": when,
            "EndpointStatus": "InService",
        }

    ours, theirs = endpoint("sagemaker-emr-dev-delay"), endpoint("sagemaker-emr-dev-two-delay")
    aws.on("ListEndpoints", {"Endpoints": [ours, theirs]})
    aws.on("ListEndpointConfigs", {"EndpointConfigs": []}).on("ListModels", {"Models": []})
    aws.on(
        "ListTags",
        lambda request: {
            "Tags": [
                {
                    "Key": "sagemaker-emr:environment",
                    "Value": "dev" if request["ResourceArn"] == ours["EndpointArn"] else "dev-two",
                }
            ]
        },
    )
    aws.on("DeleteEndpoint", {})
    operator = SageMakerDeleteEndpointsOperator(task_id="delete", **HERE)
    assert operator.execute(context) == ["sagemaker-emr-dev-delay"]
    assert aws.requests("DeleteEndpoint") == [{"EndpointName": "sagemaker-emr-dev-delay"}]


@pytest.fixture
def deploy(local_aws, run_task):
    def run(stack):
        return run_task(
            lambda: CloudFormationDeployStackOperator(
                task_id="deploy",
                stack_name=f"sagemaker-emr-dev-{stack}",
                template=f"cfn/{stack}.yaml",
                parameters={"Environment": "dev"},
                tags=TAGS,
                deferrable=False,
                aws_conn_id=None,
            )
        )

    return run


@pytest.mark.local_aws
def test_buckets_are_kept_and_named_or_deleted_with_all_versions(deploy, local_aws, context):
    made = deploy("storage")
    s3, cloudformation = local_aws("s3"), local_aws("cloudformation")
    for body in (b"old", b"new"):
        s3.put_object(Bucket=made["RawBucket"], Key="flights.csv", Body=body)
    with pytest.raises(PlatformNotReady, match="sagemaker-emr-dev-storage"):
        ReportLeftoversOperator(task_id="report", **HERE).execute(context)
    cloudformation.delete_stack(StackName="sagemaker-emr-dev-storage")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="sagemaker-emr-dev-storage", WaiterConfig={"Delay": 1}
    )
    kept = DeleteBucketsOperator(task_id="delete", **HERE).execute(context)
    assert len(kept) == 3
    report = ReportLeftoversOperator(task_id="report", **HERE).execute(context)
    assert [line.split(":")[0] for line in report] == [f"bucket {bucket}" for bucket in kept]
    for _ in range(2):
        assert DeleteBucketsOperator(task_id="delete", delete="True", **HERE).execute(context) == []
    assert s3.list_buckets()["Buckets"] == []
    assert ReportLeftoversOperator(task_id="report", **HERE).execute(context) == []


@pytest.mark.local_aws
def test_rules_that_emr_wrote_are_revoked_and_the_platforms_own_stay(deploy, local_aws, context):
    made = deploy("network")
    ec2 = local_aws("ec2")
    master, core = made["EmrMasterSecurityGroupId"], made["EmrCoreSecurityGroupId"]
    for group, peer in ((master, core), (core, master), (core, core)):
        ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": peer}]}],
        )
    operator = RevokeRulesOfEmrOperator(task_id="revoke", **HERE)
    assert len(operator.execute(context)) == 3
    assert operator.execute(context) == []
    cloudformation = local_aws("cloudformation")
    cloudformation.delete_stack(StackName="sagemaker-emr-dev-network")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="sagemaker-emr-dev-network", WaiterConfig={"Delay": 1}
    )
    assert operator.execute(context) == []


def test_another_domains_file_system_is_not_taken_for_ours(aws):
    def system(domain):
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:domain/{domain}"
        return {
            "OwnerId": "123456789012",
            "CreationToken": domain,
            "FileSystemId": f"fs-{domain}",
            "CreationTime": "2026-01-01T00:00:00Z",
            "LifeCycleState": "available",
            "NumberOfMountTargets": 0,
            "SizeInBytes": {"Value": 0},
            "PerformanceMode": "generalPurpose",
            "Tags": [{"Key": "ManagedByAmazonSageMakerResource", "Value": arn}],
        }

    aws.on("DescribeFileSystems", {"FileSystems": [system("d-one"), system("d-two")]})
    assert DomainLeftoversHook(aws_conn_id=None).file_systems("d-two") == ["fs-d-two"]
