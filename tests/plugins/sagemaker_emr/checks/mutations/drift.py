"""Drift, in each stack, of what no other check looks at."""

from __future__ import annotations

import json

from tests.plugins.sagemaker_emr.checks.mutations.iam import name_of
from tests.plugins.sagemaker_emr.checks.mutations.registry import mutation
from tests.plugins.sagemaker_emr.checks.mutations.security_groups import without_rule


@mutation("drift", "Set these properties back")
def bucket_opened(p):
    s3, bucket = p.client("s3"), p.outputs["RawBucket"]
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    s3.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={**block, "BlockPublicPolicy": False}
    )
    yield bucket
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)


@mutation("drift", "Set these properties back")
def tag_changed(p):
    ec2, vpc = p.client("ec2"), p.outputs["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "mine"}])
    yield vpc
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": f"sagemaker-emr-{p.environment}"}])


@mutation("drift", "Set these properties back")
def policy_widened(p):
    iam, role = p.client("iam"), name_of(p.outputs["ExecutionRoleArn"])
    document = iam.get_role_policy(RoleName=role, PolicyName="jobs")["PolicyDocument"]
    wider = {**document, "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=role, PolicyName="jobs", PolicyDocument=json.dumps(wider))
    yield role
    iam.put_role_policy(RoleName=role, PolicyName="jobs", PolicyDocument=json.dumps(document))


@mutation("drift", "Create it again by hand")
def agent_rule_deleted(p):
    broken = without_rule(p, "EmrServiceAccessSecurityGroupId", "EmrMasterSecurityGroupId", 9443)
    next(broken)
    yield "sgr-"
    next(broken, None)


@mutation("drift", "Set these properties back")
def product_described_otherwise(p):
    catalog, product = p.client("servicecatalog"), p.outputs["ProductId"]
    summary = catalog.describe_product_as_admin(Id=product)["ProductViewDetail"]["ProductViewSummary"]
    catalog.update_product(Id=product, Owner="me")
    yield product
    catalog.update_product(Id=product, Owner=summary["Owner"])
