"""The CloudFormation types AWS::SageMaker::Domain and AWS::SageMaker::UserProfile.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SageMaker.html
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.common_models import CloudFormationModel

from local_aws.internal import client

Json = dict[str, Any]


class _StudioResource:
    """What both types share: they are made, watched and deleted through SageMaker's API.

    :param key: the members that name the resource in every call.
    """

    noun = ""

    def __init__(self, physical_resource_id: str, key: dict[str, str], region_name: str) -> None:
        self.physical_resource_id = physical_resource_id
        self.key = key
        self.sagemaker = client("sagemaker", region_name)

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def describe(self) -> Json:
        """What SageMaker says of it.

        :raises ClientError: it is not there.
        """
        described: Json = getattr(self.sagemaker, f"describe_{self.noun}")(**self.key)
        return described

    def is_created(self) -> bool:
        """:raises ValueError: it failed."""
        described = self.describe()
        if described["Status"].endswith(("Failed", "_Failed")):
            raise ValueError(described.get("FailureReason") or f"{self.noun} is {described['Status']}")
        return bool(described["Status"] == "InService")

    def is_updated(self) -> bool:
        return self.is_created()

    def is_deleted(self) -> bool:
        try:
            self.describe()
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFound":
                raise
            return True
        return False

    def delete(self, account_id: str, region_name: str) -> None:
        getattr(self.sagemaker, f"delete_{self.noun}")(**self.key)

    def get_cfn_attribute(self, attribute: str) -> str:
        try:
            return str(self.describe()[attribute])
        except KeyError:
            raise UnformattedGetAttTemplateException from None


class CfnDomain(_StudioResource, CloudFormationModel):
    """AWS::SageMaker::Domain; deleting it retains the file system, as CloudFormation does."""

    noun = "domain"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::SageMaker::Domain"

    @staticmethod
    def cloudformation_name_type() -> str:
        return "DomainName"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Json, account_id: str, region_name: str, **kwargs: Any
    ) -> CfnDomain:
        made = client("sagemaker", region_name).create_domain(**cloudformation_json["Properties"])
        return cls(made["DomainId"], {"DomainId": made["DomainId"]}, region_name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: CfnDomain,
        new_resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
    ) -> CfnDomain:
        properties = dict(cloudformation_json["Properties"])
        described = original_resource.describe()
        if properties.get("VpcId") != described["VpcId"]:
            raise ValueError("The VpcId of a domain can't be changed.")
        if "DomainSettings" in properties:
            properties["DomainSettingsForUpdate"] = properties.pop("DomainSettings")
        for fixed in ("DomainName", "AuthMode", "KmsKeyId", "VpcId"):
            properties.pop(fixed, None)
        _retag(original_resource.sagemaker, described["DomainArn"], properties.pop("Tags", []))
        original_resource.sagemaker.update_domain(**original_resource.key, **properties)
        return original_resource


class CfnUserProfile(_StudioResource, CloudFormationModel):
    """AWS::SageMaker::UserProfile."""

    noun = "user_profile"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::SageMaker::UserProfile"

    @staticmethod
    def cloudformation_name_type() -> str:
        return "UserProfileName"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Json, account_id: str, region_name: str, **kwargs: Any
    ) -> CfnUserProfile:
        properties = cloudformation_json["Properties"]
        client("sagemaker", region_name).create_user_profile(**properties)
        key = {name: properties[name] for name in ("DomainId", "UserProfileName")}
        return cls(f"{key['UserProfileName']}|{key['DomainId']}", key, region_name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: CfnUserProfile,
        new_resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
    ) -> CfnUserProfile:
        properties = cloudformation_json["Properties"]
        arn = original_resource.describe()["UserProfileArn"]
        _retag(original_resource.sagemaker, arn, properties.get("Tags", []))
        original_resource.sagemaker.update_user_profile(
            **original_resource.key, UserSettings=properties.get("UserSettings", {})
        )
        return original_resource


def _retag(sagemaker: Any, arn: str, tags: list[dict[str, str]]) -> None:
    """Make a resource's tags what a template says."""
    current = sagemaker.list_tags(ResourceArn=arn)["Tags"]
    if current:
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=[tag["Key"] for tag in current])
    if tags:
        sagemaker.add_tags(ResourceArn=arn, Tags=tags)
