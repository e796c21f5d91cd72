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
    ServiceCatalogEndProductsOperator,
    confirm,
)
from tests.plugins.sagemaker_emr.conftest import aws_error

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
    def run(stack, **parameters):
        return run_task(
            lambda: CloudFormationDeployStackOperator(
                task_id="deploy",
                stack_name=f"sagemaker-emr-dev-{stack}",
                template=f"cfn/{stack}.yaml",
                parameters={"Environment": "dev", **parameters},
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


@pytest.mark.local_aws
def test_what_sagemaker_left_of_a_domain_is_reported_though_it_carries_no_tag(deploy, local_aws, context):
    network = deploy("network")
    needs = {name: network[name] for name in ("VpcId", "PrivateSubnetId", "StudioSecurityGroupId")}
    buckets = dict.fromkeys(("RawBucket", "FeaturesBucket", "ArtifactsBucket"), "data")
    domain = deploy("studio", **needs, **buckets)["DomainId"]
    cloudformation = local_aws("cloudformation")
    cloudformation.delete_stack(StackName="sagemaker-emr-dev-studio")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="sagemaker-emr-dev-studio", WaiterConfig={"Delay": 1}
    )
    operator = ReportLeftoversOperator(task_id="report", **HERE)
    lines = [line for line in operator._of_domains() if f"of domain {domain}" in line]
    assert [line.split()[0] for line in lines] == ["file", "security", "security"]
    with pytest.raises(PlatformNotReady, match="sagemaker-emr-dev-network"):
        operator.execute(context)


def product(name, status="AVAILABLE"):
    return {
        "Name": name,
        "Id": f"pp-{name}",
        "Status": status,
        "ProductId": "prod-emr",
        "LastProvisioningRecordId": f"rec-{name}",
    }


@pytest.fixture
def catalog_of(aws):
    """A catalog stack whose product is provisioned under these names."""

    def script(*names):
        stack_id = "arn:aws:cloudformation:us-east-1:123456789012:stack/sagemaker-emr-dev-catalog/1"
        when = "2026-01-01T00:00:00Z"
        state = {"StackStatus": "CREATE_COMPLETE", "CreationTime": when}
        aws.on(
            "ListStacks",
            {"StackSummaries": [{"StackId": stack_id, "StackName": "sagemaker-emr-dev-catalog", **state}]},
        )
        resource = {
            "LogicalResourceId": "Product",
            "PhysicalResourceId": "prod-emr",
            "ResourceType": "AWS::ServiceCatalog::CloudFormationProduct",
            "ResourceStatus": "CREATE_COMPLETE",
            "LastUpdatedTimestamp": when,
        }
        aws.on("ListStackResources", {"StackResourceSummaries": [resource]})
        living = [product(name) for name in names]
        aws.on("SearchProvisionedProducts", lambda request: {"ProvisionedProducts": living})
        return living

    return script


def test_a_catalog_in_use_is_refused_naming_its_products(catalog_of, context):
    catalog_of("flights", "from-studio")
    operator = ServiceCatalogEndProductsOperator(task_id="end", terminate="False", **HERE)
    with pytest.raises(PlatformNotReady, match=r"flights \(AVAILABLE\), from-studio \(AVAILABLE\)"):
        operator.execute(context)


@pytest.mark.parametrize("deferrable", [True, False])
def test_products_are_ended_one_after_the_other(aws, catalog_of, run_task, deferrable):
    living = catalog_of("flights", "from-studio")

    def described(request):
        found = [one for one in living if one["Name"] == request["Name"]]
        return {"ProvisionedProductDetail": found[0]} if found else aws_error("ResourceNotFoundException")

    def terminate(request):
        ended = next(one for one in living if one["Id"] == request["ProvisionedProductId"])
        living.remove(ended)
        return {"RecordDetail": {"RecordId": f"rec-end-{ended['Name']}", "Status": "CREATED"}}

    aws.on("DescribeProvisionedProduct", described)
    aws.on("TerminateProvisionedProduct", terminate)
    aws.on("ListRecordHistory", {"RecordDetails": []})
    aws.on(
        "DescribeRecord",
        lambda request: {"RecordDetail": {"RecordId": request["Id"], "Status": "SUCCEEDED"}},
    )
    run_task(
        lambda: ServiceCatalogEndProductsOperator(
            task_id="end", terminate="True", deferrable=deferrable, **HERE
        )
    )
    ended = [one["ProvisionedProductId"] for one in aws.requests("TerminateProvisionedProduct")]
    assert ended == ["pp-flights", "pp-from-studio"]
