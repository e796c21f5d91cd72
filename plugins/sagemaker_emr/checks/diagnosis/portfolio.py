"""Who may launch the product, and who sees it."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from sagemaker_emr.checks.finding import Finding, failed, not_checked, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check
from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.service_catalog import principal_arn

VISIBILITY_TAG = {"Key": "sagemaker:studio-visibility:emr", "Value": "true"}


@check(
    "The product is in the portfolio",
    symptom="Nobody finds the product: 'no launch paths found'.",
)
def product_in_portfolio(platform: Platform) -> Iterator[Finding]:
    """ListPortfoliosForProduct."""
    product, portfolio = platform.product_id, platform.portfolio_id
    ids = platform.portfolio_ids
    read = f"product {product} is in {', '.join(ids) or 'no portfolio'}"
    if portfolio in ids:
        yield passed(read, product, portfolio)
    else:
        yield failed(
            read,
            product,
            portfolio,
            cause=f"Product {product} is not associated with portfolio {portfolio}.",
            fix=f"`aws servicecatalog associate-product-with-portfolio --product-id {product} "
            f"--portfolio-id {portfolio}`",
        )


@check(
    "Studio's execution role may launch the product",
    symptom="Studio's 'Create cluster' lists no template.",
)
def studio_principal(platform: Platform) -> Iterator[Finding]:
    """ListPrincipalsForPortfolio: the platform's role, and the roles that user profiles bring."""
    for arn in [platform.execution_role_arn, *platform.profile_roles]:
        yield _principal(platform, arn)


@check(
    "Airflow's role may launch the product",
    symptom="request_cluster fails: 'no launch paths found' or 'Access denied'.",
)
def airflow_principal(platform: Platform) -> Iterator[Finding]:
    """ListPrincipalsForPortfolio: whoever the deployment was told to admit, else who checks.

    The one who administers the platform need not be the one who runs the chain.
    """
    principal = platform.parameter("catalog", "AirflowPrincipalArn")
    try:
        principal = principal or principal_arn(platform.caller_arn, platform.client("iam"))
    except InvalidInput as refused:
        yield not_checked(f"{refused.what}: {refused.reason}", read=platform.caller_arn)
        return
    yield _principal(platform, principal)


def _principal(platform: Platform, arn: str) -> Finding:
    portfolio = platform.portfolio_id
    admitted = platform.principals
    read = f"portfolio {portfolio} admits {', '.join(admitted) or 'nobody'}"
    if any(arn == one or fnmatchcase(arn, one) for one in admitted):
        return passed(read, portfolio, arn)
    return failed(
        read,
        portfolio,
        arn,
        cause=f"{arn} is no principal of portfolio {portfolio}.",
        fix=f"`aws servicecatalog associate-principal-with-portfolio --portfolio-id {portfolio} "
        f"--principal-arn {arn} --principal-type IAM`",
    )


@check(
    "Studio shows the product",
    symptom="Studio's 'Create cluster' lists no template, though the product can be launched.",
)
def visibility_tag(platform: Platform) -> Iterator[Finding]:
    """DescribeProductAsAdmin: the product's tags."""
    tags = platform.product.get("Tags", [])
    product, tag = platform.product_id, VISIBILITY_TAG
    shown = ", ".join(f"{one['Key']}={one['Value']}" for one in tags)
    read = f"product {product}: tags {shown or 'none'}"
    if tag in tags:
        yield passed(read, product)
    else:
        yield failed(
            read,
            product,
            cause=f"The product does not carry the tag {tag['Key']}={tag['Value']}.",
            fix=f"`aws servicecatalog update-product --id {product} --add-tags "
            f"Key={tag['Key']},Value={tag['Value']}`",
        )
