"""A healthy platform, made of the project's own templates, to break and mend."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
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
from sagemaker_emr.partitions import endpoint_service

REGION = "us-east-1"
PROFILE = "data-scientist"
LIMIT_SECONDS = 90


class Deployed:
    """An environment on the embedded AWS, with clients of the user that Airflow is."""

    def __init__(self, endpoint_url: str, key: dict[str, str], environment: str) -> None:
        self.endpoint_url = endpoint_url
        self.key = key
        self.environment = environment
        self.outputs: dict[str, str] = {}
        self.altered: dict[str, Callable[[dict[str, Any]], None]] = {}
        self.denied: set[str] = set()
        self.called: set[str] = set()

    def client(self, service: str) -> Any:
        made = boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.key["AccessKeyId"],
            aws_secret_access_key=self.key["SecretAccessKey"],
        )
        made.meta.events.register("before-call", self._before)
        made.meta.events.register("after-call", self._after)
        return made

    def _before(self, model: Any, **_: Any) -> tuple[Any, dict[str, Any]] | None:
        """Refuse what is denied, as AWS words it, before it is sent."""
        self.called.add(model.name)
        if model.name not in self.denied:
            return None
        error = {"Code": "AccessDeniedException", "Message": f"not authorized to perform: {model.name}"}
        return SimpleNamespace(status_code=403, headers={}), {"Error": error, "ResponseMetadata": {}}

    def _after(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        if model.name in self.altered and "Error" not in parsed:
            self.altered[model.name](parsed)

    @contextmanager
    def answering(self, operation: str, alter: Callable[[dict[str, Any]], None]) -> Iterator[None]:
        """What AWS may answer and can't be brought about here: ``alter`` changes an operation's answers."""
        self.altered[operation] = alter
        try:
            yield
        finally:
            del self.altered[operation]

    def deploy(self, concern: str, template: str | None = None, **parameters: str) -> None:
        """Create a stack of ``include/cfn`` and keep its outputs."""
        cloudformation, name = self.client("cloudformation"), stack_name(self.environment, concern)
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=staging.include_path(f"cfn/{template or concern}.yaml").read_text(),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in {"Environment": self.environment, **parameters}.items()
            ],
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=[{"Key": "sagemaker-emr:environment", "Value": self.environment}],
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

    def add_profile(self, name: str, role_arn: str, **parameters: str) -> None:
        """A user profile with a role."""
        self.deploy(
            f"profile-{name}",
            "user_profile",
            DomainId=self.outputs["DomainId"],
            ExecutionRoleArn=role_arn,
            UserProfileName=name,
            **parameters,
        )

    def deploy_all(
        self, network: dict[str, str], permissions: str, airflow_arn: str, owns_roles: bool
    ) -> None:
        """Every stack, and a user profile."""
        self.deploy("storage")
        self.deploy("network", **network)
        self.stage_product()
        outputs = self.outputs
        buckets = {name: outputs[name] for name in ("RawBucket", "FeaturesBucket", "ArtifactsBucket")}
        places = {name: outputs[name] for name in ("VpcId", "PrivateSubnetId", "StudioSecurityGroupId")}
        self.deploy("studio", **buckets, **places, Permissions=permissions)
        self.deploy(
            "catalog",
            ProductTemplateUrl=self.template_url,
            ProductVersion="current",
            ArtifactsBucket=outputs["ArtifactsBucket"],
            ExecutionRoleArn=outputs["ExecutionRoleArn"],
            AirflowPrincipalArn=airflow_arn,
            CreateEmrDefaultRoles=str(owns_roles).lower(),
            Permissions=permissions,
        )
        self.add_profile(PROFILE, outputs["ExecutionRoleArn"])
        self.outputs |= {"AirflowPrincipalArn": airflow_arn, "UserProfileName": PROFILE}

    def stage_product(self) -> None:
        """The product's template and its bootstrap script, as stage_product does it."""
        s3, bucket = self.client("s3"), self.outputs["ArtifactsBucket"]
        script = staging.include_path("bootstrap/installpylibs.sh")
        self.script_key = staging.content_key("code/bootstrap", script.read_bytes(), script.name)
        text = staging.fill_in(
            staging.include_path("cfn/emr_product.yaml").read_text(),
            {"environment": self.environment, "bootstrap_script": f"s3://{bucket}/{self.script_key}"},
            "emr_product.yaml",
        )
        self.template_key = staging.content_key("code/cfn", text.encode(), "emr_product.yaml")
        s3.put_object(Bucket=bucket, Key=self.script_key, Body=script.read_bytes())
        s3.put_object(Bucket=bucket, Key=self.template_key, Body=text.encode())
        self.template_url = staging.https_url(bucket, self.template_key, REGION, "aws")

    def report(self, **demand: Any) -> Report:
        """What check_platform would say now."""
        return self.look(self.detect_drift(), **demand)

    def detect_drift(self) -> dict[str, Any]:
        """Finished drift detections, by stack."""
        cloudformation = self.client("cloudformation")
        asked = {
            concern: cloudformation.detect_stack_drift(StackName=stack_name(self.environment, concern))
            for concern in STACKS
        }
        return {
            concern: self.until(
                lambda one=one: cloudformation.describe_stack_drift_detection_status(
                    StackDriftDetectionId=one["StackDriftDetectionId"]
                ),
                lambda found: found["DetectionStatus"] != "DETECTION_IN_PROGRESS",
            )
            for concern, one in asked.items()
        }

    def look(self, drift: dict[str, Any], **demand: Any) -> Report:
        """What check_platform would say once drift detection is done."""
        platform = Platform(self.environment, self.client, REGION, "aws", Demand.of(demand), drift)
        findings = diagnose(platform)
        return Report(
            self.environment, platform.account_id, REGION, datetime.now(UTC), findings, inspect(platform)
        )


VARIANTS: dict[str, dict[str, str]] = {
    "nat": {},
    "endpoints": {
        "CreateNatGateway": "false",
        "CreateInterfaceEndpoints": "true",
        "BootstrapWheelsUri": "s3://wheels/python3.11",
    },
    "existing": {"CreateInterfaceEndpoints": "true"},
}
"""Parameters of the network stack: a way out by NAT, by endpoints alone, and in a VPC of one's own."""


class Account:
    """An AWS account in which each variant of the platform is an environment of its own."""

    def __init__(self, endpoint_url: str) -> None:
        requests.post(f"{endpoint_url}/moto-api/reset", timeout=60).raise_for_status()
        key = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "not-a-secret"}
        self.iam = Deployed(endpoint_url, key, "none").client("iam")
        self.user = self.iam.create_user(UserName="airflow")["User"]["Arn"]
        self.key = self.iam.create_access_key(UserName="airflow")["AccessKey"]
        self.endpoint_url = endpoint_url
        self.deployed: dict[str, Deployed] = {}

    def __getitem__(self, variant: str) -> Deployed:
        """The variant's environment, deployed when first asked for."""
        if variant not in self.deployed:
            # The first environment owns EMR's default roles, which are the account's.
            owns_roles, made = not self.deployed, Deployed(self.endpoint_url, self.key, variant)
            network = {**VARIANTS[variant], **(existing_network(made) if variant == "existing" else {})}
            # The managed policies of the reference are tried where no mutation takes a permission away.
            permissions = "reference" if variant == "endpoints" else "scoped"
            made.deploy_all(network, permissions, self.user, owns_roles)
            if variant == "existing":
                self.add_profile_with_a_role_of_its_own(made)
            self.deployed[variant] = made
        return self.deployed[variant]

    def add_profile_with_a_role_of_its_own(self, p: Deployed) -> None:
        """Her role has what Studio's EMR pages need, and nothing of the data."""
        role = p.outputs["ExecutionRoleArn"].rpartition("/")[2]
        policy = "AllowSagemakerProjectManagement"
        trust = self.iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        document = self.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        made = self.iam.create_role(RoleName="ada", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        self.iam.put_role_policy(RoleName="ada", PolicyName=policy, PolicyDocument=json.dumps(document))
        p.add_profile("ada", made, PortfolioId=p.outputs["PortfolioId"])
        p.outputs["AdasRoleArn"] = made


def existing_network(p: Deployed) -> dict[str, str]:
    """A VPC as a network team makes it: a private subnet, and an S3 endpoint by hand."""
    ec2 = p.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{attribute: {"Value": True}})
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24")["Subnet"]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    service = endpoint_service("s3", REGION)
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service, VpcEndpointType="Gateway", RouteTableIds=[table])
    return {"VpcId": vpc, "PrivateSubnetId": subnet}


@pytest.fixture(scope="module")
def platforms(endpoint_url: str) -> Account:
    """``platforms["nat"]``: a healthy platform; who breaks it mends it."""
    return Account(endpoint_url)


@pytest.fixture(scope="module")
def platform(platforms: Account) -> Deployed:
    """A healthy platform with a NAT gateway."""
    return platforms["nat"]
