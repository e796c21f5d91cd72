"""The product's template and the bootstrap script that it names."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from sagemaker_emr.checks.finding import Finding, failed, not_checked, passed
from sagemaker_emr.checks.platform import Platform
from sagemaker_emr.checks.registry import check
from sagemaker_emr.hooks.s3 import split_uri

STAGE_AGAIN = "Run deploy_platform: its task stage_product stages the file again under the same key."
MISSING = ("does not exist", "NoSuchKey", "NoSuchBucket", "Not Found")


@check(
    "The product's template can be read and is valid",
    symptom="Launching or updating fails: 'S3 error' or 'Template format error'.",
)
def product_template(platform: Platform) -> Iterator[Finding]:
    """DescribeProvisioningArtifact, ValidateTemplate."""
    url, artifact = platform.template_url, platform.artifact["ProvisioningArtifactDetail"]["Id"]
    try:
        platform.client("cloudformation").validate_template(TemplateURL=url)
    except ClientError as error:
        found = error.response["Error"]
        reason = str(found.get("Message", ""))
        if found["Code"] != "ValidationError":
            raise
        if "Access Denied" in reason:
            allow = "Allow Airflow's role s3:GetObject of it, then check again."
            yield not_checked(f"{found['Code']}: {reason}", artifact, read=url, fix=allow)
            return
        gone = any(words in reason for words in MISSING)
        yield failed(
            f"version {artifact}: {url}",
            artifact,
            url,
            cause=f"The template is {'not there' if gone else 'not valid'}: {reason.splitlines()[0]}",
            fix=STAGE_AGAIN if gone else "Correct include/cfn/emr_product.yaml and run deploy_platform.",
        )
        return
    yield passed(f"version {artifact}: {url} is valid", artifact, url)


@check(
    "The bootstrap script is in S3",
    symptom="The cluster ends TERMINATED_WITH_ERRORS: a bootstrap action failed or could not be downloaded.",
)
def bootstrap_script(platform: Platform) -> Iterator[Finding]:
    """The template's default for BootstrapScriptUri, HeadObject."""
    defaults = {
        one["ParameterKey"]: one.get("DefaultValue", "")
        for one in platform.artifact.get("ProvisioningArtifactParameters", [])
    }
    uri = defaults.get("BootstrapScriptUri")
    if not uri:
        yield not_checked("the product's template has no default for BootstrapScriptUri")
        return
    bucket, key = split_uri(uri)
    try:
        size = platform.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NotFound"):
            raise
        yield failed(
            f"HeadObject finds nothing at {uri}", uri, cause="The script is not there.", fix=STAGE_AGAIN
        )
        return
    yield passed(f"{uri}: {size} bytes", uri)
