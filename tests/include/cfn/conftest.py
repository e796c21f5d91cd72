"""The templates as the embedded AWS deploys them, by hand: through boto3, without Airflow."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests

from tests.local_aws.conftest import endpoint_url, make_client

__all__ = ["endpoint_url", "make_client"]

CFN = Path(__file__).resolve().parents[3] / "include" / "cfn"
LIMIT_SECONDS = 120


class Deployment:
    """One Region of the embedded AWS, with the templates staged as docs/platform.md says."""

    def __init__(self, make_client, region):
        self.region = region
        self.suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        self.client = lambda service: make_client(service, region)
        self.cloudformation = self.client("cloudformation")
        self.url = f"https://templates.s3.{region}.{self.suffix}/cfn"

    def stage(self, environment="dev"):
        s3 = self.client("s3")
        location = {"LocationConstraint": self.region}
        extra = {} if self.region == "us-east-1" else {"CreateBucketConfiguration": location}
        s3.create_bucket(Bucket="templates", **extra)
        for template in CFN.glob("*.yaml"):
            text = template.read_text()
            if template.stem == "emr_product":
                text = text.replace("@{environment}", environment)
                text = text.replace("@{bootstrap_script}", "s3://templates/installpylibs.sh")
            s3.put_object(Bucket="templates", Key=f"cfn/{template.name}", Body=text.encode())

    def parameters(self, values):
        return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]

    def create(self, name, template, **values):
        """Create a stack and wait for the end."""
        self.cloudformation.create_stack(
            StackName=name,
            TemplateURL=f"{self.url}/{template}.yaml",
            Parameters=self.parameters(values),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        return self.settled(name)

    def update(self, name, template, **values):
        self.cloudformation.update_stack(
            StackName=name,
            TemplateURL=f"{self.url}/{template}.yaml",
            Parameters=self.parameters(values),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        return self.settled(name)

    def delete(self, stack_id):
        self.cloudformation.delete_stack(StackName=stack_id)
        return self.settled(stack_id)

    def settled(self, name):
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            stack = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return stack
            assert time.monotonic() < deadline, stack["StackStatus"]
            time.sleep(0.1)

    def failures(self, name):
        events = self.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        return [
            (event["LogicalResourceId"], event.get("ResourceStatusReason"))
            for event in events
            if event["ResourceStatus"].endswith("_FAILED")
        ]


@pytest.fixture
def deploy_in(endpoint_url, make_client):
    """``deploy_in("cn-north-1")``: that Region of an empty embedded AWS, the templates staged."""
    requests.post(f"{endpoint_url}/moto-api/reset", timeout=60).raise_for_status()

    def made(region):
        deployment = Deployment(make_client, region)
        deployment.stage()
        return deployment

    return made


def outputs(stack):
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
