"""What the conformance run may call, and what each call costs at most.

An operation that changes something and is not in ``WRITES`` is never sent: what has no row has no known
price. What these rows make (stacks, catalogs, roles, groups, small buckets) costs nothing worth counting by
itself, so the price of a run is the price of its calls. As of 2026-11-23:

- Service Catalog: 0.0007 USD a call; the free 1,000 a month are not counted on.
  https://aws.amazon.com/servicecatalog/pricing/
- S3: 0.005 USD for 1,000 PUT, COPY, POST or LIST requests in us-east-1; twice that is taken, for dearer
  Regions, and for the cheaper reads too. https://aws.amazon.com/s3/pricing/
- CloudFormation for resource types of AWS, IAM, STS, VPC and its security groups: nothing.
  https://aws.amazon.com/cloudformation/pricing/ https://aws.amazon.com/iam/ https://aws.amazon.com/vpc/pricing/
- Describing and listing in EMR, SageMaker and CloudWatch Logs: nothing beyond the free requests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

USD_PER_CALL = {"servicecatalog": 0.0007, "s3": 0.00001}
DEFAULT_TEST_USD = 0.05
"""What a test may cost that does not say otherwise, about 70 calls of Service Catalog."""
SWEEP_USD = 0.02
"""Set aside for the sweep after each test and the one at the end, about 28 calls of Service Catalog each."""

READS = re.compile(r"(Describe|List|Get|Head|Search|Simulate|Validate)([A-Z]\w*)?")


@dataclass(frozen=True)
class Write:
    """How a writing operation is kept within the run.

    :param name: the parameter that must carry the run's prefix.
    :param tags: the parameter that takes the run's tag.
    :param resource_type: of EC2, whose tags say what they are for.
    """

    name: str | None = None
    tags: str | None = None
    resource_type: str | None = None


WRITES: dict[str, dict[str, Write]] = {
    "cloudformation": {
        "CreateStack": Write("StackName", "Tags"),
        "CreateChangeSet": Write("StackName", "Tags"),
        "UpdateStack": Write("StackName", "Tags"),
        "DeleteStack": Write("StackName"),
        # By its ARN, which names no stack; what made it was kept within the run.
        "ExecuteChangeSet": Write(),
        "DeleteChangeSet": Write("StackName"),
        "DetectStackDrift": Write("StackName"),
    },
    "servicecatalog": {
        "CreatePortfolio": Write("DisplayName", "Tags"),
        "DeletePortfolio": Write(),
        "CreateProduct": Write("Name", "Tags"),
        "DeleteProduct": Write(),
        "AssociateProductWithPortfolio": Write(),
        "DisassociateProductFromPortfolio": Write(),
        "AssociatePrincipalWithPortfolio": Write(),
        "DisassociatePrincipalFromPortfolio": Write(),
        "CreateConstraint": Write(),
        "DeleteConstraint": Write(),
        "ProvisionProduct": Write("ProvisionedProductName", "Tags"),
        "UpdateProvisionedProduct": Write("ProvisionedProductName"),
        "TerminateProvisionedProduct": Write("ProvisionedProductName"),
    },
    "s3": {
        "CreateBucket": Write("Bucket"),
        "DeleteBucket": Write("Bucket"),
        "PutBucketTagging": Write("Bucket"),
        "PutBucketVersioning": Write("Bucket"),
        "PutObject": Write("Bucket"),
        "DeleteObject": Write("Bucket"),
        "DeleteObjects": Write("Bucket"),
    },
    "iam": {
        "CreateUser": Write("UserName", "Tags"),
        "DeleteUser": Write("UserName"),
        "CreateGroup": Write("GroupName"),
        "DeleteGroup": Write("GroupName"),
        "AddUserToGroup": Write("GroupName"),
        "RemoveUserFromGroup": Write("GroupName"),
        "PutGroupPolicy": Write("GroupName"),
        "DeleteGroupPolicy": Write("GroupName"),
        "CreateRole": Write("RoleName", "Tags"),
        "DeleteRole": Write("RoleName"),
        "PutRolePolicy": Write("RoleName"),
        "DeleteRolePolicy": Write("RoleName"),
    },
    "ec2": {
        "CreateVpc": Write(tags="TagSpecifications", resource_type="vpc"),
        "DeleteVpc": Write(),
        "CreateSecurityGroup": Write("GroupName", "TagSpecifications", "security-group"),
        "DeleteSecurityGroup": Write(),
        "AuthorizeSecurityGroupIngress": Write(),
        "RevokeSecurityGroupIngress": Write(),
        "RevokeSecurityGroupEgress": Write(),
    },
}


def usd(service: str, calls: int = 1) -> float:
    """What calls of a service cost at most."""
    return USD_PER_CALL.get(service, 0.0) * calls
