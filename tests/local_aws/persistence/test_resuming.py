"""What was in progress when the server was killed with -9 goes on to its own end in the next life, once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from tests.local_aws.cloudformation.conftest import Stacks
from tests.local_aws.emr.conftest import make_default_roles, parameters
from tests.local_aws.persistence.conftest import Server, eventually
from tests.local_aws.sagemaker.script_mode import BUCKET, Ground, archive, make_ground
from tests.local_aws.servicecatalog.conftest import Catalog, bare_catalog, catalog, launch_role, template_url

__all__ = ["bare_catalog", "catalog", "launch_role", "template_url"]

pytestmark = pytest.mark.local_aws

SLOW, STANDING = 3, 0.01
"""Seconds of AWS in one second; 60 again in the next life."""

IAM = {"Capabilities": ["CAPABILITY_IAM"]}
BROKEN = {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": ["no-such-role"]}}
COUNT = 12
PRODUCT = json.dumps(
    {
        "Parameters": {
            "Purpose": {"Type": "String"},
            "Versioned": {"Type": "String", "Default": "Suspended"},
        },
        "Resources": {
            f"Bucket{n}": {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "BucketName": {"Fn::Sub": f"${{Purpose}}-{n}"},
                    "VersioningConfiguration": {"Status": {"Ref": "Versioned"}},
                },
            }
            for n in range(COUNT)
        },
    }
)
TRAIN = """
import argparse, os, pathlib, signal, time
parser = argparse.ArgumentParser()
parser.add_argument("--num_round")
parser.add_argument("--go")
go = pathlib.Path(parser.parse_args().go)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(f"{go}.runs", "a") as runs:
    runs.write("run\\n")
while not go.exists():
    time.sleep(0.05)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("trained")
"""
INFERENCE = """
import os, time
def model_fn(model_dir): time.sleep(2)
def input_fn(body, content_type): return body
def predict_fn(data, model): return os.environ["VERSION"]
def output_fn(prediction, accept): return prediction
"""
STEP = """
import pathlib, sys, time
with open(sys.argv[1] + ".runs", "a") as runs:
    runs.write("run\\n")
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.05)
"""


@pytest.fixture
def client(server: Server) -> Callable[[str], Any]:
    return server.client


def pace(server: Server, aws_seconds: float) -> None:
    """Let so many of AWS's seconds pass in one here, until the next life."""
    requests.post(
        f"{server.url}/_local/clock", json={"time_scale": aws_seconds}, timeout=60
    ).raise_for_status()


def next_life(server: Server) -> dict[str, int]:
    server.kill()
    server.start()
    resumed: dict[str, int] = server.told()["resumed"]
    return resumed


def completions(stacks: Stacks, stack: str) -> Counter[tuple[str, str]]:
    """How often each resource has come to each final state."""
    return Counter(
        (resource, status)
        for resource, status, _ in stacks.events(stack)
        if not status.endswith("IN_PROGRESS") and resource != stack
    )


def buckets(server: Server) -> set[str]:
    return {bucket["Name"] for bucket in server.client("s3").list_buckets()["Buckets"]}


def template(purpose: str, *more: str, count: int = COUNT) -> str:
    """A stack of buckets; ``more`` resources are made after them all."""
    made: dict[str, Any] = json.loads(PRODUCT)
    made["Parameters"]["Purpose"]["Default"] = purpose
    made["Resources"] = dict(list(made["Resources"].items())[:count])
    after = list(made["Resources"])
    made["Resources"] |= {name: {**BROKEN, "DependsOn": after} for name in more}
    return json.dumps(made)


def test_a_stack_goes_on_from_where_it_was(server: Server) -> None:
    stacks = Stacks(server.client("cloudformation"))
    enabled = {"Parameters": [{"ParameterKey": "Versioned", "ParameterValue": "Enabled"}]}

    def status(stack: str) -> str:
        return str(stacks.client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])

    for stack in ("undone", "updated", "shrunk"):
        stacks.create(stack, template(stack))
    pace(server, SLOW)
    stacks.client.create_stack(StackName="refused", TemplateBody=template("refused", "Broken"), **IAM)
    stacks.client.update_stack(
        StackName="undone", TemplateBody=template("undone", "Broken"), **enabled, **IAM
    )
    eventually(lambda: status("undone"), "UPDATE_ROLLBACK_IN_PROGRESS")
    eventually(lambda: status("refused"), "ROLLBACK_IN_PROGRESS")
    stacks.client.update_stack(StackName="updated", TemplateBody=template("updated"), **enabled)
    stacks.client.update_stack(StackName="shrunk", TemplateBody=template("shrunk", count=1))
    eventually(lambda: status("shrunk"), "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    eventually(lambda: completions(stacks, "undone")["Bucket11", "UPDATE_COMPLETE"], 2)
    assert next_life(server)["stack operations"] == 4

    ends = {name: stacks.settled(name)["StackStatus"] for name in ("refused", "undone", "updated", "shrunk")}

    assert ends == {
        "refused": "ROLLBACK_COMPLETE",
        "undone": "UPDATE_ROLLBACK_COMPLETE",
        "updated": "UPDATE_COMPLETE",
        "shrunk": "UPDATE_COMPLETE",
    }
    whole = {f"{stack}-{n}" for stack in ("undone", "updated") for n in range(COUNT)}
    assert buckets(server) == whole | {"shrunk-0"}
    versioning = {
        stack: server.client("s3").get_bucket_versioning(Bucket=f"{stack}-11")["Status"]
        for stack in ("undone", "updated")
    }
    assert versioning == {"undone": "Suspended", "updated": "Enabled"}
    once = {
        "refused": {"CREATE_COMPLETE": 1, "DELETE_COMPLETE": 1},
        "undone": {"CREATE_COMPLETE": 1, "UPDATE_COMPLETE": 2},
        "updated": {"CREATE_COMPLETE": 1, "UPDATE_COMPLETE": 1},
        "shrunk": {"CREATE_COMPLETE": 1, "DELETE_COMPLETE": 1},
    }
    for stack, expected in once.items():
        seen = completions(stacks, stack)
        for n in range(1, COUNT):
            each = {state: count for (resource, state), count in seen.items() if resource == f"Bucket{n}"}
            assert each == expected, (stack, n)


def test_a_record_of_service_catalog_ends_as_its_stack_does(server: Server, catalog: Catalog) -> None:
    servicecatalog, s3 = catalog.servicecatalog, server.client("s3")
    url = f"catalog-templates-{catalog.account_id}"
    s3.put_object(Bucket=url, Key="many.json", Body=PRODUCT.encode())
    catalog.artifact_id = servicecatalog.create_provisioning_artifact(
        ProductId=catalog.product_id,
        Parameters={
            "Name": "many",
            "Type": "CLOUD_FORMATION_TEMPLATE",
            "Info": {"LoadTemplateFromURL": f"https://{url}.s3.us-east-1.amazonaws.com/many.json"},
        },
        IdempotencyToken="many",
    )["ProvisioningArtifactDetail"]["Id"]

    def status(record_id: str) -> str:
        return str(servicecatalog.describe_record(Id=record_id)["RecordDetail"]["Status"])

    def product(name: str) -> str:
        try:
            shown = servicecatalog.describe_provisioned_product(Name=name)["ProvisionedProductDetail"]
        except servicecatalog.exceptions.ResourceNotFoundException:
            return "none"
        return str(shown["Status"])

    for made in [catalog.provision(name, Purpose=name) for name in ("changed", "ended")]:
        catalog.ended(made["RecordId"])
    pace(server, SLOW)
    failing = catalog.provision("failing", Purpose="failing", Versioned="Sometimes")["RecordId"]
    eventually(lambda: status(failing), "IN_PROGRESS_IN_ERROR")
    launching = catalog.provision("launching", Purpose="launching")["RecordId"]
    changing = servicecatalog.update_provisioned_product(
        ProvisionedProductName="changed",
        ProductId=catalog.product_id,
        ProvisioningArtifactId=catalog.artifact_id,
        ProvisioningParameters=[
            {"Key": "Purpose", "UsePreviousValue": True},
            {"Key": "Versioned", "Value": "Enabled"},
        ],
        UpdateToken="change",
    )["RecordDetail"]["RecordId"]
    ending = servicecatalog.terminate_provisioned_product(
        ProvisionedProductName="ended", TerminateToken="end"
    )["RecordDetail"]["RecordId"]
    for record in (launching, changing, ending):
        eventually(lambda record=record: status(record), "IN_PROGRESS")
    pace(server, STANDING)
    asked = catalog.provision("asked", Purpose="asked")["RecordId"]
    assert status(asked) == "CREATED"
    assert 4 <= next_life(server)["Service Catalog records"] <= 5  # on a busy machine that failed has ended

    assert catalog.provision("launching", Purpose="launching")["RecordId"] == launching
    for record in (asked, launching, changing, ending):
        ended, _ = catalog.ended(record)
        assert (ended["Status"], ended["RecordErrors"]) == ("SUCCEEDED", [])
    (failure,) = catalog.ended(failing)[0]["RecordErrors"]
    assert "Bucket0: " in failure["Description"]
    products = {name: product(name) for name in ("asked", "launching", "changed", "failing", "ended")}
    assert products == {
        "asked": "AVAILABLE",
        "launching": "AVAILABLE",
        "changed": "AVAILABLE",
        "failing": "ERROR",
        "ended": "none",
    }
    left = {f"{name}-{n}" for name in ("asked", "launching", "changed") for n in range(COUNT)}
    assert buckets(server) - {url} == left
    assert s3.get_bucket_versioning(Bucket="changed-11")["Status"] == "Enabled"
    stacks = server.client("cloudformation").list_stacks()["StackSummaries"]
    assert len({stack["StackName"] for stack in stacks}) == len(stacks) == 5


@pytest.fixture
def ground(client: Callable[[str], Any]) -> Ground:
    """Code that waits until it is told to go, and serves its version."""
    made, s3 = make_ground(client), client("s3")
    code = archive({"train.py": TRAIN, "inference.py": INFERENCE})
    s3.put_object(Bucket=BUCKET, Key="code/sourcedir.tar.gz", Body=code)
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive({"model.txt": "trained"}))
    return made


@pytest.mark.runtime
def test_a_training_job_runs_again_and_one_that_was_stopped_has_stopped(
    server: Server, client: Callable[[str], Any], ground: Ground, tmp_path: Path
) -> None:
    sagemaker = client("sagemaker")

    def start(name: str) -> None:
        job = ground.training_job(name, hyperparameters={"go": str(tmp_path / name)})
        sagemaker.create_training_job(**job)

    def status(name: str) -> str:
        return str(sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"])

    for name in ("training", "stopping"):
        start(name)
        eventually((tmp_path / f"{name}.runs").exists, True)
    pace(server, STANDING)
    start("starting")
    sagemaker.stop_training_job(TrainingJobName="stopping")
    assert next_life(server)["training jobs"] in (2, 3)  # on a busy machine one has stopped

    for name in ("training", "starting"):
        (tmp_path / name).touch()
    for name, end in {"training": "Completed", "starting": "Completed", "stopping": "Stopped"}.items():
        eventually(lambda name=name: status(name), end)
    runs = {name: (tmp_path / f"{name}.runs").read_text() for name in ("training", "starting", "stopping")}
    assert runs == {"training": "run\n" * 2, "starting": "run\n", "stopping": "run\n"}
    client("s3").head_object(Bucket=BUCKET, Key="output/training/output/model.tar.gz")
    told = sagemaker.describe_training_job(TrainingJobName="training")["SecondaryStatusTransitions"]
    assert "Restarting" in [transition["Status"] for transition in told]


@pytest.mark.runtime
def test_endpoints_come_to_what_was_asked_for_with_one_container_each(
    server: Server, client: Callable[[str], Any], ground: Ground, tmp_path: Path
) -> None:
    sagemaker = client("sagemaker")
    for version in ("1", "2"):
        model = {"ModelName": version, "ExecutionRoleArn": ground.role_arn}
        sagemaker.create_model(**model, PrimaryContainer=ground.container(VERSION=version))
        variant = {"VariantName": "all", "ModelName": version, "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(
            EndpointConfigName=version, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
        )

    def status(name: str) -> str:
        try:
            return str(sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    def served(name: str) -> str:
        answer = client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"{}")
        return str(answer["Body"].read().decode())

    def containers() -> int:
        folder = str(tmp_path / "home" / "sagemaker" / "endpoints")
        return len([process for process in server.descendants() if folder in " ".join(process.cmdline())])

    for name in ("serving", "updating", "deleting"):
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="1")
    for name in ("serving", "updating", "deleting"):
        eventually(lambda name=name: status(name), "InService")
    pace(server, STANDING)
    sagemaker.create_endpoint(EndpointName="creating", EndpointConfigName="1")
    sagemaker.update_endpoint(EndpointName="updating", EndpointConfigName="2")
    sagemaker.delete_endpoint(EndpointName="deleting")
    assert next_life(server)["endpoints"] == 4

    eventually(lambda: status("deleting"), "ValidationException")
    for name, version in {"serving": "1", "updating": "2", "creating": "1"}.items():
        eventually(lambda name=name: status(name), "InService")
        assert served(name) == version
    eventually(containers, 3)


@pytest.mark.runtime
def test_a_step_that_ran_has_failed_and_the_one_that_waited_runs(
    server: Server, client: Callable[[str], Any], tmp_path: Path
) -> None:
    emr, s3 = client("emr"), client("s3")
    make_default_roles(client("iam"))
    s3.create_bucket(Bucket="steps")
    s3.put_object(Bucket="steps", Key="wait.py", Body=STEP.encode())

    def step(name: str) -> dict[str, Any]:
        arguments = ["spark-submit", "s3://steps/wait.py", str(tmp_path / name)]
        jar = {"Jar": "command-runner.jar", "Args": arguments}
        return {"Name": name, "HadoopJarStep": jar, "ActionOnFailure": "CONTINUE"}

    def states() -> dict[str, str]:
        steps = emr.list_steps(ClusterId=cluster)["Steps"]
        return {found["Name"]: found["Status"]["State"] for found in steps}

    cluster = emr.run_job_flow(**parameters(Steps=[step("running"), step("waiting"), step("cancelled")]))[
        "JobFlowId"
    ]
    eventually((tmp_path / "running.runs").exists, True)
    (cancelled,) = [s["Id"] for s in emr.list_steps(ClusterId=cluster)["Steps"] if s["Name"] == "cancelled"]
    emr.cancel_steps(ClusterId=cluster, StepIds=[cancelled])
    for name in ("running", "waiting"):
        (tmp_path / name).touch()
    server.kill()
    server.start()

    wanted = {"running": "FAILED", "waiting": "COMPLETED", "cancelled": "CANCELLED"}
    eventually(lambda: states() == wanted, True)
    assert (tmp_path / "running.runs").read_text() == "run\n"
    assert (tmp_path / "waiting.runs").read_text() == "run\n"
    eventually(lambda: emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"], "WAITING")
    emr.terminate_job_flows(JobFlowIds=[cluster])
    eventually(lambda: emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"], "TERMINATED")
