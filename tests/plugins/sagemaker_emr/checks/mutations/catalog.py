"""What can be wrong with the product and the portfolio."""

from __future__ import annotations

import json

from tests.plugins.sagemaker_emr.checks.mutations.registry import mutation

STUDIO_TAG = {"Key": "sagemaker:studio-visibility:emr", "Value": "true"}


@mutation("product_in_portfolio", "associate-product-with-portfolio", lasting=True)
def product_not_in_portfolio(p):
    catalog = p.client("servicecatalog")
    key = {"PortfolioId": p.outputs["PortfolioId"], "ProductId": p.outputs["ProductId"]}
    role = json.dumps({"RoleArn": p.outputs["LaunchRoleArn"]})
    for one in catalog.list_constraints_for_portfolio(**key)["ConstraintDetails"]:
        catalog.delete_constraint(Id=one["ConstraintId"])
    catalog.disassociate_product_from_portfolio(**key)
    yield p.outputs["ProductId"]
    catalog.associate_product_with_portfolio(**key)
    catalog.create_constraint(**key, Type="LAUNCH", Parameters=role, IdempotencyToken="mend-2")


@mutation("launch_constraint", "create-constraint", lasting=True)
def no_launch_constraint(p):
    catalog = p.client("servicecatalog")
    key = {"PortfolioId": p.outputs["PortfolioId"], "ProductId": p.outputs["ProductId"]}
    constraint = catalog.list_constraints_for_portfolio(**key)["ConstraintDetails"][0]["ConstraintId"]
    parameters = catalog.describe_constraint(Id=constraint)["ConstraintParameters"]
    catalog.delete_constraint(Id=constraint)
    yield p.outputs["ProductId"]
    catalog.create_constraint(**key, Type="LAUNCH", Parameters=parameters, IdempotencyToken="mend")


@mutation("visibility_tag", "--add-tags")
def no_visibility_tag(p):
    catalog, product = p.client("servicecatalog"), p.outputs["ProductId"]
    catalog.update_product(Id=product, RemoveTags=[STUDIO_TAG["Key"]])
    yield product
    catalog.update_product(Id=product, AddTags=[STUDIO_TAG])


@mutation("visibility_tag", "--add-tags")
def hidden_by_its_tag(p):
    catalog, product = p.client("servicecatalog"), p.outputs["ProductId"]
    catalog.update_product(
        Id=product, RemoveTags=[STUDIO_TAG["Key"]], AddTags=[{**STUDIO_TAG, "Value": "false"}]
    )
    yield product
    catalog.update_product(Id=product, RemoveTags=[STUDIO_TAG["Key"]], AddTags=[STUDIO_TAG])


@mutation("studio_principal", "associate-principal-with-portfolio", on="existing")
def own_role_may_not_launch(p):
    yield from _without_principal(p, p.outputs["AdasRoleArn"])


def _without_principal(p, arn):
    catalog = p.client("servicecatalog")
    key = {"PortfolioId": p.outputs["PortfolioId"], "PrincipalARN": arn, "PrincipalType": "IAM"}
    catalog.disassociate_principal_from_portfolio(**key)
    yield p.outputs["PortfolioId"]
    catalog.associate_principal_with_portfolio(**key)


@mutation("studio_principal", "associate-principal-with-portfolio")
def studio_may_not_launch(p):
    yield from _without_principal(p, p.outputs["ExecutionRoleArn"])


@mutation("airflow_principal", "associate-principal-with-portfolio")
def airflow_may_not_launch(p):
    yield from _without_principal(p, p.outputs["AirflowPrincipalArn"])


def _object_gone(p, key):
    s3, bucket = p.client("s3"), p.outputs["ArtifactsBucket"]
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=key)
    yield key.rpartition("/")[2]
    s3.put_object(Bucket=bucket, Key=key, Body=body)


@mutation("product_template", "stage_product")
def template_deleted(p):
    yield from _object_gone(p, p.template_key)


@mutation("product_template", "include/cfn/emr_product.yaml")
def template_spoiled(p):
    s3, bucket = p.client("s3"), p.outputs["ArtifactsBucket"]
    body = s3.get_object(Bucket=bucket, Key=p.template_key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=p.template_key, Body=b"Parameters: {}\n")
    yield p.template_key.rpartition("/")[2]
    s3.put_object(Bucket=bucket, Key=p.template_key, Body=body)


@mutation("bootstrap_script", "stage_product")
def script_deleted(p):
    yield from _object_gone(p, p.script_key)
