"""A real model, trained once, and a ground to train and serve on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
import requests

from tests.local_aws.sagemaker.script_mode import BUCKET, REGION, Ground, make_ground, wait_while


@pytest.fixture
def ground(client: Callable[..., Any]) -> Ground:
    return make_ground(client)


@pytest.fixture(scope="session")
def trained_model(endpoint_url: str) -> bytes:
    """The model.tar.gz of one real training job, made once."""

    def client(service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=endpoint_url,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="not-a-secret",
        )

    requests.post(f"{endpoint_url}/moto-api/reset", timeout=60).raise_for_status()
    sagemaker = client("sagemaker")
    sagemaker.create_training_job(**make_ground(client).training_job("trained-once"))
    state = wait_while(
        lambda: sagemaker.describe_training_job(TrainingJobName="trained-once")["TrainingJobStatus"],
        "InProgress",
    )
    assert state == "Completed"
    key = "output/trained-once/output/model.tar.gz"
    body: bytes = client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


@pytest.fixture
def served_model(client: Callable[..., Any], trained_model: bytes) -> Ground:
    """The ground, with the trained model in its bucket. Trained before, since it would undo the reset."""
    ground = make_ground(client)
    client("s3").put_object(Bucket=BUCKET, Key="model.tar.gz", Body=trained_model)
    return ground
