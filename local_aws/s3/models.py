"""S3's resource types, and when multipart uploads began."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from moto.core.common_models import CloudFormationModel
from moto.core.utils import utcnow
from moto.s3 import models as moto_models
from moto.utilities.utils import get_partition

from local_aws.cloudformation.api_resource import ApiResource
from local_aws.s3 import policies

SETTINGS = frozenset(
    {
        "BucketEncryption",
        "LifecycleConfiguration",
        "OwnershipControls",
        "PublicAccessBlockConfiguration",
        "VersioningConfiguration",
    }
)


class S3Backend(moto_models.S3Backend):
    """moto's, with the time at which a multipart upload began: moto says 2010 of each."""

    @property
    def _url_module(self) -> Any:
        """Of S3 alone moto looks into its own routes, whichever class the backend is of."""
        return importlib.import_module("local_aws.s3.urls")

    def create_multipart_upload(self, *args: Any, **kwargs: Any) -> moto_models.FakeMultipart:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html"""
        upload: Any = super().create_multipart_upload(*args, **kwargs)
        upload.initiated = utcnow()
        return upload


moto_models.s3_backends.backend = S3Backend
moto_models.s3_backends.clear()  # of what was looked up before, and so is of moto's class


class Bucket(ApiResource, CloudFormationModel):
    """AWS::S3::Bucket.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html
    """

    resource_type = "AWS::S3::Bucket"
    service = "s3"
    name_property = "BucketName"
    supported_properties = SETTINGS | {"BucketName", "Tags"}

    def create(self) -> None:
        """CreateBucket, then a call for each setting."""
        where = {"LocationConstraint": self.region}
        self.api.create_bucket(
            Bucket=self.name,
            **({} if self.region == "us-east-1" else {"CreateBucketConfiguration": where}),
        )
        self.physical_resource_id = self.name
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        self.attributes = {
            "Arn": f"arn:{get_partition(self.region)}:s3:::{self.name}",
            "DomainName": f"{self.name}.s3.{suffix}",
            "RegionalDomainName": f"{self.name}.s3.{self.region}.{suffix}",
            "DualStackDomainName": f"{self.name}.s3.dualstack.{self.region}.{suffix}",
        }
        self._apply({})

    def change(self, old: Mapping[str, Any]) -> None:
        """A call for each setting that differs."""
        self._apply(old)

    def remove(self) -> None:
        """DeleteBucket, which refuses a bucket that is not empty."""
        self.api.delete_bucket(Bucket=self.name)

    def _apply(self, old: Mapping[str, Any]) -> None:
        setters = {
            "BucketEncryption": self._set_encryption,
            "LifecycleConfiguration": self._set_lifecycle,
            "OwnershipControls": self._set_ownership,
            "PublicAccessBlockConfiguration": self._set_public_access_block,
            "Tags": self._set_tags,
            "VersioningConfiguration": self._set_versioning,
        }
        for name, setter in setters.items():
            if self.properties.get(name) != old.get(name):
                setter(self.properties.get(name))

    def _set_encryption(self, value: Any) -> None:
        if value is None:
            self.api.delete_bucket_encryption(Bucket=self.name)
            return
        rules = []
        for rule in value["ServerSideEncryptionConfiguration"]:
            default = rule.get("ServerSideEncryptionByDefault", {})
            rules.append(
                {
                    "ApplyServerSideEncryptionByDefault": default,
                    "BucketKeyEnabled": _boolean(rule.get("BucketKeyEnabled", False)),
                }
            )
        self.api.put_bucket_encryption(Bucket=self.name, ServerSideEncryptionConfiguration={"Rules": rules})

    def _set_lifecycle(self, value: Any) -> None:
        if value is None:
            self.api.delete_bucket_lifecycle(Bucket=self.name)
            return
        rules = [lifecycle_rule(rule) for rule in value["Rules"]]
        self.api.put_bucket_lifecycle_configuration(Bucket=self.name, LifecycleConfiguration={"Rules": rules})

    def _set_ownership(self, value: Any) -> None:
        if value is None:
            self.api.delete_bucket_ownership_controls(Bucket=self.name)
        else:
            self.api.put_bucket_ownership_controls(Bucket=self.name, OwnershipControls=value)

    def _set_public_access_block(self, value: Any) -> None:
        if value is None:
            self.api.delete_public_access_block(Bucket=self.name)
            return
        flags = {name: _boolean(flag) for name, flag in value.items()}
        self.api.put_public_access_block(Bucket=self.name, PublicAccessBlockConfiguration=flags)

    def _set_tags(self, value: Any) -> None:
        # Only CloudFormation may write tags that begin with "aws:"; moto's S3 refuses them to anyone.
        own = [tag for tag in value or [] if not tag["Key"].startswith("aws:")]
        if own:
            self.api.put_bucket_tagging(Bucket=self.name, Tagging={"TagSet": own})
        else:
            self.api.delete_bucket_tagging(Bucket=self.name)

    def _set_versioning(self, value: Any) -> None:
        status = "Suspended" if value is None else value["Status"]
        self.api.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": status})


def _boolean(value: Any) -> bool:
    return str(value).lower() == "true"


LIFECYCLE = frozenset(
    {
        "AbortIncompleteMultipartUpload",
        "ExpirationInDays",
        "Id",
        "NoncurrentVersionExpiration",
        "Prefix",
        "Status",
    }
)


def lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of CloudFormation as S3's API takes it.

    :raises ValueError: it uses what is not played.
    """
    extra = sorted(set(rule) - LIFECYCLE)
    if extra:
        raise ValueError(f"local_aws does not play {', '.join(extra)} of a bucket's lifecycle rules.")
    made: dict[str, Any] = {"Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "Id" in rule:
        made["ID"] = rule["Id"]
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if "AbortIncompleteMultipartUpload" in rule:
        days = int(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    if "NoncurrentVersionExpiration" in rule:
        days = int(rule["NoncurrentVersionExpiration"]["NoncurrentDays"])
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    return made


class BucketPolicy(ApiResource, CloudFormationModel):
    """AWS::S3::BucketPolicy.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucketpolicy.html
    """

    resource_type = "AWS::S3::BucketPolicy"
    service = "s3"
    supported_properties = frozenset({"Bucket", "PolicyDocument"})

    def create(self) -> None:
        """PutBucketPolicy, unless the bucket has a policy."""
        bucket = self.properties["Bucket"]
        if self._has_policy(bucket):
            raise ValueError(f"The bucket policy already exists on bucket {bucket}.")
        self.change({})
        self.physical_resource_id = bucket

    def _has_policy(self, bucket: str) -> bool:
        try:
            self.api.get_bucket_policy(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                raise
            return False
        return True

    def change(self, old: Mapping[str, Any]) -> None:
        """PutBucketPolicy."""
        document = self.properties["PolicyDocument"]
        policy = document if isinstance(document, str) else json.dumps(document)
        self.api.put_bucket_policy(Bucket=self.properties["Bucket"], Policy=policy)

    def remove(self) -> None:
        """DeleteBucketPolicy."""
        self.api.delete_bucket_policy(Bucket=self.properties["Bucket"])


policies.install()
