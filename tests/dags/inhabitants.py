"""What users and runs leave in a platform."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sagemaker_emr import staging
from tests.dags.faults import Boundary
from tests.plugins.sagemaker_emr.studio import add_space

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
NAME = "sagemaker-emr-dev-delay"
TAGS = [{"Key": "sagemaker-emr:environment", "Value": "dev"}]
LIMIT_SECONDS = 30

Client = Callable[[str], Any]


def inhabit(client: Client, boundary: Boundary, launcher: Any = None) -> None:
    """Apps, objects, a model that serves nothing, EMR's rules, and a cluster that could not be launched.

    :param launcher: Service Catalog's client of a principal of the portfolio.
    """
    outputs = outputs_of_all(client)
    add_space(client("sagemaker"), outputs["DomainId"], "ada", "notes")
    for body in (b"old", b"new"):
        client("s3").put_object(Bucket=outputs["RawBucket"], Key="flights.csv", Body=body)
    _serve(client, outputs)
    for group, peer in (("Master", "Core"), ("Core", "Master")):
        pair = {"GroupId": outputs[f"Emr{peer}SecurityGroupId"]}
        client("ec2").authorize_security_group_ingress(
            GroupId=outputs[f"Emr{group}SecurityGroupId"],
            IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [pair]}],
        )
    with boundary.refuses("RunJobFlow"):
        _fail_to_launch(launcher or client("servicecatalog"), outputs)


def make_airflow_roles(client: Client, environment: str, trusted_arn: str) -> dict[str, str]:
    """Make Airflow's two roles, as an administrator does; the outputs of all stacks.

    :param trusted_arn: who may assume them.
    """
    template = (staging.INCLUDE / "cfn" / "airflow_roles.yaml").read_text()
    make_stack(client, "airflow-roles", template, Environment=environment, TrustedPrincipalArn=trusted_arn)
    return outputs_of_all(client)


def make_stack(client: Client, name: str, template: str, **values: str) -> None:
    """Make a stack and wait."""
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    until(
        lambda: str(cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]),
        "CREATE_IN_PROGRESS",
    )


def outputs_of_all(client: Client) -> dict[str, str]:
    """The outputs of all stacks."""
    return {
        output["OutputKey"]: output["OutputValue"]
        for stack in client("cloudformation").describe_stacks()["Stacks"]
        for output in stack.get("Outputs", [])
    }


def until(look: Callable[[], str], *states: str) -> None:
    """Wait until a state is none of these."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while (state := look()) in states:
        assert time.monotonic() < deadline, state
        time.sleep(0.02)


def _serve(client: Client, outputs: dict[str, str]) -> None:
    """An endpoint whose model is no archive: Failed, with its configuration and model."""
    sagemaker, bucket = client("sagemaker"), outputs["ArtifactsBucket"]
    client("s3").put_object(Bucket=bucket, Key="model.tar.gz", Body=b"no archive")
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{bucket}/model.tar.gz",
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{bucket}/model.tar.gz",
        },
    }
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": NAME,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_model(
        ModelName=NAME, ExecutionRoleArn=outputs["ExecutionRoleArn"], PrimaryContainer=container, Tags=TAGS
    )
    sagemaker.create_endpoint_config(EndpointConfigName=NAME, ProductionVariants=[variant], Tags=TAGS)
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME, Tags=TAGS)
    until(lambda: str(sagemaker.describe_endpoint(EndpointName=NAME)["EndpointStatus"]), "Creating")


def _fail_to_launch(catalog: Any, outputs: dict[str, str]) -> None:
    """The provisioned product stays, in ERROR."""
    record_id = catalog.provision_product(
        ProductId=outputs["ProductId"],
        ProvisioningArtifactName=outputs["ProvisioningArtifactName"],
        ProvisionedProductName="lost",
        ProvisionToken="lost",
    )["RecordDetail"]["RecordId"]
    until(
        lambda: str(catalog.describe_record(Id=record_id)["RecordDetail"]["Status"]), "CREATED", "IN_PROGRESS"
    )
