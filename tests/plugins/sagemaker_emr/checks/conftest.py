"""A healthy platform, made of the project's own templates, to break and mend."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
import requests

from sagemaker_emr import staging
from sagemaker_emr.checks.inspection import inspect
from sagemaker_emr.checks.platform import STACKS, Demand, Platform
from sagemaker_emr.checks.registry import diagnose
from sagemaker_emr.checks.report import Report
from sagemaker_emr.names import stack_name

REGION, ENVIRONMENT = "us-east-1", "dev"
PROFILE = "data-scientist"
LIMIT_SECONDS = 90


class Deployed:
    """An environment on the embedded AWS, with clients of the user that Airflow is."""

    def __init__(self, endpoint_url: str, key: dict[str, str]) -> None:
        self.endpoint_url = endpoint_url
        self.key = key
        self.outputs: dict[str, str] = {}

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.key["AccessKeyId"],
            aws_secret_access_key=self.key["SecretAccessKey"],
        )

    def deploy(self, concern: str, template: str | None = None, **parameters: str) -> None:
        """Create a stack of ``include/cfn`` and keep its outputs."""
        cloudformation, name = self.client("cloudformation"), stack_name(ENVIRONMENT, concern)
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=staging.include_path(f"cfn/{template or concern}.yaml").read_text(),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in {"Environment": ENVIRONMENT, **parameters}.items()
            ],
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=[{"Key": "sagemaker-emr:environment", "Value": ENVIRONMENT}],
        )
        stack = self.until(
            lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0],
            lambda found: not found["StackStatus"].endswith("_IN_PROGRESS"),
        )
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack.get("StackStatusReason")
        self.outputs |= {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}

    def until(self, look: Any, holds: Any) -> Any:
        """Look until it holds."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not holds(found := look()):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def stage_product(self) -> None:
        """The product's template and its bootstrap script, as stage_product does it."""
        s3, bucket = self.client("s3"), self.outputs["ArtifactsBucket"]
        script = staging.include_path("bootstrap/installpylibs.sh")
        self.script_key = staging.content_key("code/bootstrap", script.read_bytes(), script.name)
        text = staging.fill_in(
            staging.include_path("cfn/emr_product.yaml").read_text(),
            {"environment": ENVIRONMENT, "bootstrap_script": f"s3://{bucket}/{self.script_key}"},
            "emr_product.yaml",
        )
        self.template_key = staging.content_key("code/cfn", text.encode(), "emr_product.yaml")
        s3.put_object(Bucket=bucket, Key=self.script_key, Body=script.read_bytes())
        s3.put_object(Bucket=bucket, Key=self.template_key, Body=text.encode())
        self.template_url = staging.https_url(bucket, self.template_key, REGION, "aws")

    def report(self, **demand: Any) -> Report:
        """What check_platform would say now."""
        cloudformation = self.client("cloudformation")
        asked = {
            concern: cloudformation.detect_stack_drift(StackName=stack_name(ENVIRONMENT, concern))
            for concern in STACKS
        }
        drift = {
            concern: self.until(
                lambda one=one: cloudformation.describe_stack_drift_detection_status(
                    StackDriftDetectionId=one["StackDriftDetectionId"]
                ),
                lambda found: found["DetectionStatus"] != "DETECTION_IN_PROGRESS",
            )
            for concern, one in asked.items()
        }
        platform = Platform(ENVIRONMENT, self.client, REGION, "aws", Demand.of(demand), drift)
        findings = diagnose(platform)

        return Report(
            ENVIRONMENT, platform.account_id, REGION, datetime.now(UTC), findings, inspect(platform)
        )


@pytest.fixture(scope="module")
def platform(endpoint_url: str) -> Deployed:
    """A healthy platform; who breaks it mends it."""
    requests.post(f"{endpoint_url}/moto-api/reset", timeout=10).raise_for_status()
    root = Deployed(endpoint_url, {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "not-a-secret"})
    iam = root.client("iam")
    user = iam.create_user(UserName="airflow")["User"]["Arn"]
    deployed = Deployed(endpoint_url, iam.create_access_key(UserName="airflow")["AccessKey"])
    deployed.deploy("storage")
    deployed.deploy("network")
    deployed.stage_product()
    outputs = deployed.outputs
    buckets = {name: outputs[name] for name in ("RawBucket", "FeaturesBucket", "ArtifactsBucket")}
    network = {name: outputs[name] for name in ("VpcId", "PrivateSubnetId", "StudioSecurityGroupId")}
    deployed.deploy("studio", **buckets, **network)
    deployed.deploy(
        "catalog",
        ProductTemplateUrl=deployed.template_url,
        ProductVersion="current",
        ArtifactsBucket=outputs["ArtifactsBucket"],
        ExecutionRoleArn=outputs["ExecutionRoleArn"],
        AirflowPrincipalArn=user,
        CreateEmrDefaultRoles="true",
    )
    deployed.deploy(
        f"profile-{PROFILE}",
        "user_profile",
        DomainId=outputs["DomainId"],
        ExecutionRoleArn=outputs["ExecutionRoleArn"],
        UserProfileName=PROFILE,
    )
    deployed.outputs |= {"AirflowPrincipalArn": user, "UserProfileName": PROFILE}
    return deployed
