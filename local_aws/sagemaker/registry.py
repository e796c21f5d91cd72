"""SageMaker's model registry: package groups and their versions."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ConflictException, ValidationError
from moto.sagemaker.utils import arn_formatter

from local_aws.sagemaker.images import check_image
from local_aws.sagemaker.parameters import ANY, CheckedRequests, listed
from local_aws.sagemaker.s3_objects import Objects

PLAYED_GROUP = {"ModelPackageGroupName": ANY, "ModelPackageGroupDescription": ANY, "Tags": ANY}
PLAYED_SPECIFICATION = {
    "Containers": {"ContainerHostname": ANY, "Image": ANY, "ModelDataUrl": ANY, "Environment": ANY},
    "SupportedTransformInstanceTypes": ANY,
    "SupportedRealtimeInferenceInstanceTypes": ANY,
    "SupportedContentTypes": ANY,
    "SupportedResponseMIMETypes": ANY,
}
PLAYED_PACKAGE = {
    "ModelPackageGroupName": ANY,
    "ModelPackageDescription": ANY,
    "InferenceSpecification": PLAYED_SPECIFICATION,
    # No Tags: a version has its group's, and "you cannot supply a tag argument".
    "ModelApprovalStatus": ANY,
    "MetadataProperties": ANY,
    "ModelMetrics": ANY,
    "ClientToken": ANY,
    "Domain": ANY,
    "Task": ANY,
    "CustomerMetadataProperties": ANY,
    "SourceUri": ANY,
    "SkipModelValidation": ANY,
}
PLAYED_UPDATE = {
    "ModelPackageArn": ANY,
    "ModelApprovalStatus": ANY,
    "ApprovalDescription": ANY,
    "CustomerMetadataProperties": ANY,
    "CustomerMetadataPropertiesToRemove": ANY,
    "ClientToken": ANY,
}
PLAYED_LIST = {
    "ModelPackageGroupName": ANY,
    "ModelApprovalStatus": ANY,
    "ModelPackageType": frozenset({"Versioned", "Both"}),
    **dict.fromkeys(("NextToken", "MaxResults", "NameContains", "SortBy", "SortOrder"), ANY),
    **dict.fromkeys(("CreationTimeAfter", "CreationTimeBefore"), ANY),
}
MAX_METADATA_PROPERTIES = 50
_PACKAGE_ARN = re.compile(r"arn:[^:]+:sagemaker:[^:]+:\d{12}:model-package/(?P<group>[^/]+)/(?P<version>\d+)")


class ModelPackageGroup:
    """A group; its versions are numbered from 1, and a deleted one's number is not given again."""

    def __init__(self, arn: str, request: dict[str, Any]) -> None:
        self.arn, self.name = arn, request["ModelPackageGroupName"]
        self.description: str = request.get("ModelPackageGroupDescription", "")
        self.tags: list[dict[str, str]] = list(request.get("Tags", []))
        self.creation_time = datetime.now(UTC)
        self.last_version = 0

    def describe(self) -> dict[str, Any]:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModelPackageGroup.html"""
        return self.summary() | {"CreatedBy": {}}

    def summary(self) -> dict[str, Any]:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelPackageGroupSummary.html"""
        described = {
            "ModelPackageGroupName": self.name,
            "ModelPackageGroupArn": self.arn,
            "CreationTime": self.creation_time,
            "ModelPackageGroupStatus": "Completed",
        }
        return described | ({"ModelPackageGroupDescription": self.description} if self.description else {})


class ModelPackage:
    """One version of a group. ``request`` holds what was asked for, as updates have left it."""

    def __init__(self, arn: str, version: int, request: dict[str, Any]) -> None:
        self.arn, self.version = arn, version
        self.group: str = request["ModelPackageGroupName"]
        self.token: str = request.pop("ClientToken", "")
        self.request = {"ModelApprovalStatus": "PendingManualApproval"} | request
        self.creation_time = datetime.now(UTC)
        self.last_modified_time: datetime | None = None

    def update(self, request: dict[str, Any]) -> None:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateModelPackage.html"""
        properties = self.request.get("CustomerMetadataProperties", {}) | request.get(
            "CustomerMetadataProperties", {}
        )
        for name in request.get("CustomerMetadataPropertiesToRemove", []):
            properties.pop(name, None)
        if len(properties) > MAX_METADATA_PROPERTIES:
            raise ValidationError(
                f"A model package has at most {MAX_METADATA_PROPERTIES} customer metadata properties."
            )
        self.request["CustomerMetadataProperties"] = properties
        for name in ("ModelApprovalStatus", "ApprovalDescription"):
            if name in request:
                self.request[name] = request[name]
        self.last_modified_time = datetime.now(UTC)

    def describe(self) -> dict[str, Any]:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModelPackage.html"""
        described = self.request | {
            "ModelPackageName": self.group,
            "ModelPackageVersion": self.version,
            "ModelPackageArn": self.arn,
            "CreationTime": self.creation_time,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CertifyForMarketplace": False,
            "CreatedBy": {},
        }
        if self.last_modified_time:
            described |= {"LastModifiedTime": self.last_modified_time, "LastModifiedBy": {}}
        return described

    def summary(self) -> dict[str, Any]:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelPackageSummary.html"""
        described = self.describe()
        names = (
            *("ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "ModelPackageDescription"),
            *("CreationTime", "ModelPackageStatus", "ModelApprovalStatus"),
        )
        return {name: described[name] for name in names if name in described}


class RegistryBackend:
    """Groups by name, packages by ARN."""

    account_id: str
    region_name: str
    model_package_groups: dict[str, ModelPackageGroup]
    model_packages: dict[str, ModelPackage]

    def make_model_package_group(self, request: dict[str, Any]) -> ModelPackageGroup:
        """A new, empty group."""
        name = request["ModelPackageGroupName"]
        arn = arn_formatter("model-package-group", name, self.account_id, self.region_name)
        if name in self.model_package_groups:
            raise ValidationError(f"Model Package Group already exists: {arn}")
        self.model_package_groups[name] = ModelPackageGroup(arn, request)
        return self.model_package_groups[name]

    def find_model_package_group(self, name: str) -> ModelPackageGroup:
        """A group by its name or ARN."""
        name = name.rsplit("/", 1)[-1]
        if name not in self.model_package_groups:
            arn = arn_formatter("model-package-group", name, self.account_id, self.region_name)
            raise ValidationError(f"ModelPackageGroup {arn} does not exist.")
        return self.model_package_groups[name]

    def packages_of(self, group: str) -> list[ModelPackage]:
        """A group's versions."""
        return [package for package in self.model_packages.values() if package.group == group]

    def make_model_package(self, request: dict[str, Any]) -> ModelPackage:
        """The group's next version; the same one again for the same client token."""
        group = self.find_model_package_group(request["ModelPackageGroupName"])
        request["ModelPackageGroupName"] = group.name
        for package in self.packages_of(group.name):
            if package.token and package.token == request.get("ClientToken"):
                return package
        objects = Objects(self.account_id, self.region_name)
        for container in request["InferenceSpecification"]["Containers"]:
            check_image(container.get("Image", ""), self.region_name)
            if not objects.exists(container.get("ModelDataUrl", "")):
                raise ValidationError(f"Could not find model data at {container.get('ModelDataUrl')}.")
        group.last_version += 1
        name = f"{group.name}/{group.last_version}"
        arn = arn_formatter("model-package", name, self.account_id, self.region_name)
        package = self.model_packages[arn] = ModelPackage(arn, group.last_version, request)
        return package

    def find_model_package(self, arn: str) -> ModelPackage:
        """A version by its ARN, which is a version's only name."""
        if arn not in self.model_packages:
            raise ValidationError(f"ModelPackage {arn} does not exist.")
        return self.model_packages[arn]

    def _get_resource_from_arn(self, arn: str) -> Any:
        """moto's look-up of what carries tags, which knows no version of a group: it has its group's tags."""
        if _PACKAGE_ARN.fullmatch(arn):
            return self.find_model_package_group(self.find_model_package(arn).group)
        resource = super()._get_resource_from_arn(arn)  # type: ignore[misc]
        if resource is None:
            raise ValidationError(f"Could not find resource {arn}.")
        return resource

    def add_tags(self, arn: str, tags: list[dict[str, str]]) -> list[dict[str, str]]:
        """A key's new value replaces its old one.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AddTags.html
        """
        _refuse_version(arn)
        resource = self._get_resource_from_arn(arn)
        added = {tag["Key"] for tag in tags}
        resource.tags = [tag for tag in resource.tags if tag["Key"] not in added] + tags
        return list(resource.tags)

    def delete_tags(self, arn: str, tag_keys: list[str]) -> None:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteTags.html"""
        _refuse_version(arn)
        super().delete_tags(arn, tag_keys)  # type: ignore[misc]


def _refuse_version(arn: str) -> None:
    if _PACKAGE_ARN.fullmatch(arn):
        raise ValidationError(f"{arn} has the tags of its model package group: change those.")


class RegistryResponse(CheckedRequests):
    """The registry's operations."""

    sagemaker_backend: Any

    def create_model_package_group(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackageGroup.html"""
        request = self.checked("CreateModelPackageGroup", PLAYED_GROUP)
        group = self.sagemaker_backend.make_model_package_group(request)
        return ActionResult({"ModelPackageGroupArn": group.arn})

    def describe_model_package_group(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModelPackageGroup.html"""
        request = json.loads(self.body)
        return ActionResult(
            self.sagemaker_backend.find_model_package_group(request["ModelPackageGroupName"]).describe()
        )

    def list_model_package_groups(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListModelPackageGroups.html"""
        groups = [group.summary() for group in self.sagemaker_backend.model_package_groups.values()]
        return self.listing(
            "ListModelPackageGroups", "ModelPackageGroupSummaryList", groups, name="ModelPackageGroupName"
        )

    def delete_model_package_group(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteModelPackageGroup.html"""
        backend = self.sagemaker_backend
        group = backend.find_model_package_group(json.loads(self.body)["ModelPackageGroupName"])
        if backend.packages_of(group.name):
            raise ConflictException(
                f"Model Package Group {group.arn} cannot be deleted because it still contains Model Packages."
            )
        del backend.model_package_groups[group.name]
        return EmptyResult()

    def create_model_package(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html"""
        request = self.checked("CreateModelPackage", PLAYED_PACKAGE)
        for required in ("ModelPackageGroupName", "InferenceSpecification"):
            if required not in request:
                raise ValidationError(
                    f"The embedded AWS plays versions of groups only: {required} is missing."
                )
        return ActionResult({"ModelPackageArn": self.sagemaker_backend.make_model_package(request).arn})

    def describe_model_package(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModelPackage.html"""
        request = json.loads(self.body)
        return ActionResult(self.sagemaker_backend.find_model_package(request["ModelPackageName"]).describe())

    def list_model_packages(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListModelPackages.html"""
        request = self.checked("ListModelPackages", PLAYED_LIST)
        backend = self.sagemaker_backend
        # Without a group only unversioned packages are listed, unless asked otherwise; there are none here.
        packages = list(backend.model_packages.values()) if "ModelPackageType" in request else []
        if "ModelPackageGroupName" in request:
            group = backend.find_model_package_group(request["ModelPackageGroupName"])
            packages = backend.packages_of(group.name)
        wanted = request.get("ModelApprovalStatus")
        summaries = [
            package.summary()
            for package in packages
            if wanted in (None, package.request["ModelApprovalStatus"])
        ]
        chosen, token = listed("ListModelPackages", summaries, request, name="ModelPackageArn")
        return ActionResult({"ModelPackageSummaryList": chosen, "NextToken": token})

    def update_model_package(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateModelPackage.html"""
        request = self.checked("UpdateModelPackage", PLAYED_UPDATE)
        package = self.sagemaker_backend.find_model_package(request["ModelPackageArn"])
        package.update(request)
        return ActionResult({"ModelPackageArn": package.arn})

    def delete_model_package(self) -> ActionResult:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteModelPackage.html"""
        package = self.sagemaker_backend.find_model_package(json.loads(self.body)["ModelPackageName"])
        del self.sagemaker_backend.model_packages[package.arn]
        return EmptyResult()
