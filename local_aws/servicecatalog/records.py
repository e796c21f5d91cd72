"""Provisioned products and the records of what was done to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow
from moto.utilities.utils import get_partition

from local_aws import persistence
from local_aws.servicecatalog.browsing import LaunchPath
from local_aws.servicecatalog.catalog import Artifact, Product, Tags, new_id

STACK_ARN_KEY = "CloudformationStackARN"


class OperationFailed(Exception):
    """An operation on a provisioned product failed: a record's error.

    :param code: ``RecordError.Code``.
    :param description: ``RecordError.Description``.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


@dataclass
class ProvisionedProduct:
    """A launched product.

    https://docs.aws.amazon.com/servicecatalog/latest/dg/API_ProvisionedProductDetail.html

    :param caller_arn: who launched it.
    :param parameters: as last given, defaults left out.
    """

    name: str
    account_id: str
    region_name: str
    caller_arn: str
    token: str
    product: Product
    artifact: Artifact
    path: LaunchPath
    parameters: dict[str, str]
    tags: Tags
    id: str = field(default_factory=lambda: new_id("pp"))
    status: str = "UNDER_CHANGE"
    status_message: str = ""
    created: datetime = field(default_factory=utcnow)
    stack_id: str | None = None
    last_record_id: str = ""
    last_provisioning_record_id: str = ""
    last_successful_provisioning_record_id: str | None = None
    terminate_token: str | None = None

    @property
    def arn(self) -> str:
        """The provisioned product's ARN."""
        partition = get_partition(self.region_name)
        return (
            f"arn:{partition}:servicecatalog:{self.region_name}:{self.account_id}:stack/{self.name}/{self.id}"
        )

    @property
    def stack_name(self) -> str:
        """The name of the stack behind it."""
        return f"SC-{self.account_id}-{self.id}"

    @property
    def launch_role_arn(self) -> str | None:
        """The role of the LAUNCH constraint, None where launches run as the caller."""
        partition = get_partition(self.region_name)
        return next((c.role_arn(partition) for c in self.path.constraints if c.type == "LAUNCH"), None)

    def stack_tags(self) -> dict[str, str]:
        """The tags of the stack: AutoTags and those given.

        https://docs.aws.amazon.com/servicecatalog/latest/adminguide/autotags.html
        """
        return {
            **{tag["Key"]: tag["Value"] for tag in self.tags},
            "aws:servicecatalog:portfolioArn": self.path.portfolio.arn,
            "aws:servicecatalog:productArn": self.product.arn,
            "aws:servicecatalog:provisioningPrincipalArn": self.caller_arn,
            "aws:servicecatalog:provisionedProductArn": self.arn,
            "aws:servicecatalog:provisioningArtifactIdentifier": self.artifact.id,
        }

    def detail(self) -> dict[str, Any]:
        """A ``ProvisionedProductDetail`` structure."""
        return {
            "Name": self.name,
            "Arn": self.arn,
            "Type": "CFN_STACK",
            "Id": self.id,
            "Status": self.status,
            "StatusMessage": self.status_message,
            "CreatedTime": self.created,
            "IdempotencyToken": self.token,
            "LastRecordId": self.last_record_id,
            "LastProvisioningRecordId": self.last_provisioning_record_id,
            "LastSuccessfulProvisioningRecordId": self.last_successful_provisioning_record_id,
            "ProductId": self.product.id,
            "ProvisioningArtifactId": self.artifact.id,
            "LaunchRoleArn": self.launch_role_arn,
        }

    def attributes(self) -> dict[str, Any]:
        """A ``ProvisionedProductAttribute`` structure."""
        detail = self.detail()
        del detail["LaunchRoleArn"]
        return {
            **detail,
            "Tags": [{"Key": key, "Value": value} for key, value in self.stack_tags().items()],
            "PhysicalId": self.stack_id,
            "ProductName": self.product.name,
            "ProvisioningArtifactName": self.artifact.name,
            "UserArn": self.caller_arn,
            "UserArnSession": self.caller_arn,
        }


@dataclass
class Record:
    """What became of one request.

    https://docs.aws.amazon.com/servicecatalog/latest/dg/API_RecordDetail.html
    """

    type: str
    target: ProvisionedProduct
    artifact: Artifact
    id: str = field(default_factory=lambda: new_id("rec"))
    status: str = "CREATED"
    errors: list[dict[str, str]] = field(default_factory=list)
    outputs: list[dict[str, str]] = field(default_factory=list)
    created: datetime = field(default_factory=utcnow)
    updated: datetime = field(default_factory=utcnow)
    changes_stack: bool = False
    """Whether the update of the stack has begun."""
    work: Callable[[], None] | None = None
    """What is being done about it; called again after a crash of the server, it does the rest."""

    def advance(self, status: str) -> None:
        """Enter a state."""
        persistence.touch()
        if status != self.status:
            self.status = status
            self.updated = utcnow()

    def fail(self, failure: OperationFailed) -> None:
        """End in failure."""
        self.errors.append({"Code": failure.code, "Description": failure.description})
        self.advance("FAILED")

    def detail(self) -> dict[str, Any]:
        """A ``RecordDetail`` structure."""
        return {
            "RecordId": self.id,
            "ProvisionedProductName": self.target.name,
            "Status": self.status,
            "CreatedTime": self.created,
            "UpdatedTime": self.updated,
            "ProvisionedProductType": "CFN_STACK",
            "RecordType": self.type,
            "ProvisionedProductId": self.target.id,
            "ProductId": self.target.product.id,
            "ProvisioningArtifactId": self.artifact.id,
            "PathId": self.target.path.id,
            "RecordErrors": list(self.errors),
            "RecordTags": list(self.target.tags),
            "LaunchRoleArn": self.target.launch_role_arn,
        }
