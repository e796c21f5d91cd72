"""Which actions on which resources a request needs, as the Service Authorization Reference says.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
cfn-lint carries its resource types and the form of their ARNs. An action that knows no resource type is on
``*``. A resource that is yet to be made, or that the request names by something else, has ``*`` for its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
from moto.cloudformation.models import cloudformation_backends

PREFIXES = {
    "efs": "elasticfilesystem",
    "emr": "elasticmapreduce",
    "resourcegroupstaggingapi": "tag",
    "sagemaker-runtime": "sagemaker",
    "service-quotas": "servicequotas",
}
"""Of actions, where they are not boto3's service name."""

S3_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteObjects": "DeleteObject",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "UploadPart": "PutObject",
}
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html"""

TAGGING = {
    "cloudformation": "TagResource",
    "ec2": "CreateTags",
    "sagemaker": "AddTags",
    "servicecatalog": "TagResource",
}
"""What a request that tags what it makes needs besides."""

PASSED = frozenset({"ExecutionRole", "ExecutionRoleArn", "RoleARN", "RoleArn"})
"""Parameters that hand a role to a service."""

NEEDS_NOTHING = frozenset({"sts:GetCallerIdentity"})
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""


@dataclass(frozen=True)
class Needed:
    """An action on a resource, with the condition keys that the request itself tells."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a request was made."""

    account_id: str
    region: str
    partition: str


def needed(service: str, operation: str, parameters: Mapping[str, Any], place: Place) -> Iterator[Needed]:
    """Everything a request needs.

    :param service: boto3's name of it.
    """
    prefix = PREFIXES.get(service, service)
    name = S3_ACTIONS.get(operation, operation) if prefix == "s3" else operation
    if f"{prefix}:{name}" in NEEDS_NOTHING:
        return
    for action in (name, *_besides(prefix, operation, parameters)):
        yield Needed(f"{prefix}:{action}", _resource(prefix, action, parameters, place))
    yield from _passed(prefix, operation, parameters, place)


def _besides(prefix: str, operation: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    if prefix == "s3" and operation in ("DeleteObject", "DeleteObjects") and _names_versions(parameters):
        yield "DeleteObjectVersion"
    if not operation.startswith(("Create", "Copy", "Allocate", "Run")):
        return
    if parameters.get("Tags") or parameters.get("TagSpecifications"):
        if prefix == "iam":
            yield f"Tag{operation.removeprefix('Create')}"
        elif prefix in TAGGING:
            yield TAGGING[prefix]


def _names_versions(parameters: Mapping[str, Any]) -> bool:
    objects = (parameters.get("Delete") or {}).get("Objects", [])
    return "VersionId" in parameters or any("VersionId" in each for each in objects)


def _passed(prefix: str, operation: str, parameters: Mapping[str, Any], place: Place) -> Iterator[Needed]:
    """PassRole for each role that the request hands over."""
    suffix = "amazonaws.com.cn" if place.partition == "aws-cn" else "amazonaws.com"
    context = (("iam:PassedToService", f"{prefix}.{suffix}"),)
    if prefix == "iam" and operation == "AddRoleToInstanceProfile":
        role = f"arn:{place.partition}:iam::{place.account_id}:role/{parameters['RoleName']}"
        yield Needed("iam:PassRole", role, (("iam:PassedToService", f"ec2.{suffix}"),))
    if prefix not in ("sagemaker", "cloudformation"):
        return
    for role in sorted(set(_roles(parameters))):
        yield Needed("iam:PassRole", role, context)


def _roles(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in PASSED and isinstance(inner, str) and ":role/" in inner:
                yield inner
            else:
                yield from _roles(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _roles(inner)


@cache
def _reference() -> dict[str, Any]:
    path = Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "Policies.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _resource(prefix: str, action: str, parameters: Mapping[str, Any], place: Place) -> str:
    """The resource of an action: the first of its types that the request names."""
    service = _reference().get(prefix, {"Actions": {}})
    types = [each.lower() for each in service["Actions"].get(action.lower(), {}).get("Resources", [])]
    if not types:
        return "*"
    given = (
        parameters.get("ResourceArn") or parameters.get("ResourceARN") or parameters.get("PolicySourceArn")
    )
    if given:
        return str(given)
    for kind in types:
        name = _name(prefix, kind, parameters, place)
        if name:
            return name if name.startswith("arn:") else _arn(prefix, kind, name, place)
    return _arn(prefix, next((t for t in types if t in ("bucket", "object")), types[0]), "*", place)


def _name(prefix: str, kind: str, parameters: Mapping[str, Any], place: Place) -> str | None:
    """What the request calls a resource of a type; its ARN where it gives that."""
    if prefix == "s3":
        return _s3_name(kind, parameters)
    if prefix == "cloudformation" and kind == "stack":
        return _stack(parameters, place)
    if prefix == "logs":
        group = parameters.get("logGroupName")
        return f"{group}:log-stream:{parameters.get('logStreamName', '')}" if group else None
    if prefix == "sagemaker" and kind in ("user-profile", "space", "app"):
        return "/".join(
            str(parameters[key])
            for key in ("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName")
            if key in parameters
        )
    if prefix == "elasticmapreduce" and kind == "cluster":
        ids = [parameters.get("ClusterId"), parameters.get("JobFlowId"), *parameters.get("JobFlowIds", [])]
        return next((one for one in ids if one), None)
    noun = "".join(word.capitalize() for word in kind.split("-"))
    keys = (f"{noun}Arn", f"{noun}Name", f"{noun}Id", "Id" if noun in ("Portfolio", "Product") else "")
    return next((str(parameters[key]) for key in keys if parameters.get(key)), None)


def _s3_name(kind: str, parameters: Mapping[str, Any]) -> str | None:
    bucket = parameters.get("Bucket")
    if kind == "bucket":
        return bucket
    return f"{bucket}/{parameters.get('Key', '*')}" if kind == "object" and bucket else None


def _stack(parameters: Mapping[str, Any], place: Place) -> str | None:
    """A stack, also by a change set's ARN, which only CloudFormation can tell."""
    change_set = str(parameters.get("ChangeSetName", ""))
    name = parameters.get("StackName")
    if not name and change_set.startswith("arn:"):
        found = cloudformation_backends[place.account_id][place.region].change_sets.get(change_set)
        name = found.stack.stack_id if found else None
    return name if not name or str(name).startswith("arn:") else f"{name}/*"


def _arn(prefix: str, kind: str, name: str, place: Place) -> str:
    form: str = _reference()[prefix]["Resources"][kind]["ARNFormats"][0]
    # S3's buckets and objects, and others whose form has no fixed part, end in the wildcard alone.
    arn = form.replace(".*", "", 1) if form.endswith(".*") else form
    for placeholder, value in (
        ("${Partition}", place.partition),
        ("${Region}", place.region),
        ("${Account}", place.account_id),
    ):
        arn = arn.replace(placeholder, value)
    return arn.replace("/.*", "") + name
