"""The model registry through boto3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.script_mode import BUCKET, Ground, archive

pytestmark = pytest.mark.local_aws
Client = Callable[..., Any]
GROUP = "flight-delay"


@pytest.fixture
def sagemaker(client: Client, ground: Ground) -> Any:
    """SageMaker with an empty group, and a model's data in S3."""
    client("s3").put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive({"model.ubj": ""}))
    sagemaker = client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=GROUP, ModelPackageGroupDescription="delays")
    return sagemaker


def package(ground: Ground, **changes: Any) -> dict[str, Any]:
    specification = {
        "Containers": [ground.container()],
        "SupportedContentTypes": ["application/json"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    metrics = {
        "ModelQuality": {
            "Statistics": {"ContentType": "application/json", "S3Uri": f"s3://{BUCKET}/evaluation.json"}
        }
    }
    request: dict[str, Any] = {
        "ModelPackageGroupName": GROUP,
        "InferenceSpecification": specification,
        "ModelMetrics": metrics,
        "CustomerMetadataProperties": {"rmse": "14.2"},
    }
    return request | changes


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """The code and message of an error."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_a_group_is_described_listed_and_deleted_when_empty(sagemaker: Any, ground: Ground) -> None:
    described = sagemaker.describe_model_package_group(ModelPackageGroupName=GROUP)
    assert (described["ModelPackageGroupStatus"], described["ModelPackageGroupDescription"]) == (
        "Completed",
        "delays",
    )
    found = sagemaker.list_model_package_groups(NameContains="flight")["ModelPackageGroupSummaryList"]
    assert [group["ModelPackageGroupName"] for group in found] == [GROUP]
    arn = sagemaker.create_model_package(**package(ground))["ModelPackageArn"]
    assert (
        refused(sagemaker.delete_model_package_group, ModelPackageGroupName=GROUP)[0] == "ConflictException"
    )

    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName=GROUP)

    code, message = refused(sagemaker.describe_model_package_group, ModelPackageGroupName=GROUP)
    assert (code, message.endswith("does not exist.")) == ("ValidationException", True)


def test_a_group_name_is_used_once(sagemaker: Any) -> None:
    code, message = refused(sagemaker.create_model_package_group, ModelPackageGroupName=GROUP)
    assert (code, "already exists" in message) == ("ValidationException", True)


def test_versions_are_numbered_and_keep_what_they_were_given(sagemaker: Any, ground: Ground) -> None:
    first, second = (sagemaker.create_model_package(**package(ground))["ModelPackageArn"] for _ in range(2))

    described = sagemaker.describe_model_package(ModelPackageName=second)

    assert first.endswith(f":model-package/{GROUP}/1")
    assert second.endswith(f":model-package/{GROUP}/2")
    assert described["ModelPackageVersion"] == 2
    assert described["ModelPackageStatus"] == "Completed"
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    expected = package(ground)
    assert {name: described[name] for name in expected} == expected


def test_a_client_token_makes_one_version_however_often(sagemaker: Any, ground: Ground) -> None:
    arns = {
        sagemaker.create_model_package(**package(ground, ClientToken="run-1"))["ModelPackageArn"]
        for _ in range(2)
    }
    assert len(arns) == 1


def test_versions_are_listed_by_approval(sagemaker: Any, ground: Ground) -> None:
    sagemaker.create_model_package(**package(ground))
    approved = sagemaker.create_model_package(**package(ground, ModelApprovalStatus="Approved"))

    found = sagemaker.list_model_packages(ModelPackageGroupName=GROUP, ModelApprovalStatus="Approved")

    arns = [version["ModelPackageArn"] for version in found["ModelPackageSummaryList"]]
    assert arns == [approved["ModelPackageArn"]]
    every = sagemaker.list_model_packages(ModelPackageGroupName=GROUP, SortOrder="Ascending")
    assert [version["ModelPackageVersion"] for version in every["ModelPackageSummaryList"]] == [1, 2]


def test_a_version_is_approved_and_its_metadata_changed(sagemaker: Any, ground: Ground) -> None:
    arn = sagemaker.create_model_package(**package(ground))["ModelPackageArn"]

    sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="beats its baselines",
        CustomerMetadataProperties={"reviewer": "ann"},
        CustomerMetadataPropertiesToRemove=["rmse"],
    )

    described = sagemaker.describe_model_package(ModelPackageName=arn)
    assert described["ModelApprovalStatus"] == "Approved"
    assert described["ApprovalDescription"] == "beats its baselines"
    assert described["CustomerMetadataProperties"] == {"reviewer": "ann"}
    assert described["LastModifiedTime"] >= described["CreationTime"]


def test_a_group_carries_tags_for_its_versions(sagemaker: Any, ground: Ground) -> None:
    tag = {"Key": "owner", "Value": "ann"}
    group = sagemaker.describe_model_package_group(ModelPackageGroupName=GROUP)["ModelPackageGroupArn"]
    version = sagemaker.create_model_package(**package(ground))["ModelPackageArn"]

    sagemaker.add_tags(ResourceArn=group, Tags=[tag])

    assert sagemaker.list_tags(ResourceArn=group)["Tags"] == [tag]
    assert sagemaker.list_tags(ResourceArn=version)["Tags"] == [tag]
    assert refused(sagemaker.add_tags, ResourceArn=version, Tags=[tag])[0] == "ValidationException"
    assert "Tags is not played" in refused(sagemaker.create_model_package, **package(ground, Tags=[tag]))[1]
    sagemaker.delete_tags(ResourceArn=group, TagKeys=["owner"])
    assert sagemaker.list_tags(ResourceArn=group)["Tags"] == []


def test_a_model_is_made_from_an_approved_version_only(sagemaker: Any, ground: Ground) -> None:
    arn = sagemaker.create_model_package(**package(ground))["ModelPackageArn"]
    request = {
        "ModelName": "from-package",
        "ExecutionRoleArn": ground.role_arn,
        "PrimaryContainer": {"ModelPackageName": arn},
    }
    assert "is not approved" in refused(sagemaker.create_model, **request)[1]

    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    sagemaker.create_model(**request)

    described = sagemaker.describe_model(ModelName="from-package")
    assert described["PrimaryContainer"]["ModelPackageName"] == arn


def test_a_version_without_its_data_or_group_is_refused(sagemaker: Any, ground: Ground) -> None:
    absent = ground.container() | {"ModelDataUrl": f"s3://{BUCKET}/absent.tar.gz"}
    specification = {"Containers": [absent], "SupportedContentTypes": [], "SupportedResponseMIMETypes": []}
    request = package(ground, InferenceSpecification=specification)
    assert "Could not find model data" in refused(sagemaker.create_model_package, **request)[1]
    request = package(ground, ModelPackageGroupName="nobody")
    assert refused(sagemaker.create_model_package, **request)[1].endswith("does not exist.")
