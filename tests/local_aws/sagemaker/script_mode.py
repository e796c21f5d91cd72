"""A tiny real model: a script-mode training script, its data, and what is needed around them."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

REGION = "us-east-1"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
BUCKET = "sagemaker-us-east-1-123456789012"
DEADLINE_SECONDS = 60

TRAIN = """
import argparse, glob, json, os, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--num_round", type=int)
parser.add_argument("--behave", default="well")
arguments = parser.parse_args()
if arguments.behave == "raise":
    raise ValueError("the target column is missing")
if arguments.behave == "sleep":
    print("sleeping", flush=True)
    time.sleep(60)
import numpy, xgboost
files = sorted(glob.glob(os.environ["SM_CHANNEL_TRAIN"] + "/**/*.csv", recursive=True))
rows = numpy.concatenate([numpy.loadtxt(file, delimiter=",") for file in files])
print(f"files={len(files)};", flush=True)
print(f"rows={len(rows)};", flush=True)
booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(rows[:, 1:], rows[:, 0]), arguments.num_round)
error = abs(booster.predict(xgboost.DMatrix(rows[:, 1:])) - rows[:, 0]).mean()
print(f"train-mae={error:.4f};", flush=True)
booster.save_model(os.environ["SM_MODEL_DIR"] + "/model.ubj")
with open(os.environ["SM_OUTPUT_DATA_DIR"] + "/evaluation.json", "w") as file:
    json.dump({"mae": float(error), "host": os.environ["SM_CURRENT_HOST"]}, file)
"""

INFERENCE = """
import json, os
import xgboost

def model_fn(model_dir):
    if os.environ.get("BEHAVE") == "raise":
        raise RuntimeError("model_fn can't load this")
    booster = xgboost.Booster()
    booster.load_model(model_dir + "/model.ubj")
    return booster

def input_fn(body, content_type):
    if content_type != "application/json":
        raise ValueError(f"content type {content_type} is not supported")
    return xgboost.DMatrix([instance for instance in json.loads(body)["instances"]])

def predict_fn(data, booster):
    return booster.predict(data)

def output_fn(prediction, accept):
    return json.dumps({"predictions": prediction.tolist(), "version": os.environ.get("VERSION", "1")})
"""


def archive(files: dict[str, str]) -> bytes:
    """A gzipped tar of text files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@dataclass(frozen=True)
class Ground:
    """What a test finds: a role that SageMaker may assume, a bucket with data and code."""

    role_arn: str
    train_uri: str
    code_uri: str

    def training_job(self, name: str, **changes: Any) -> dict[str, Any]:
        """CreateTrainingJob's parameters; ``hyperparameters`` are added to the usual ones."""
        hyperparameters = {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": self.code_uri,
            "sagemaker_region": REGION,
            "num_round": "5",
        }
        request: dict[str, Any] = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "train:mae", "Regex": "train-mae=([0-9.]+);"}],
            },
            "RoleArn": self.role_arn,
            "HyperParameters": hyperparameters | changes.pop("hyperparameters", {}),
            "InputDataConfig": [channel("train", self.train_uri)],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }
        return request | changes

    def container(self, **environment: str) -> dict[str, Any]:
        """A model's container that serves the model of ``trained_model``."""
        return {
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz",
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": self.code_uri,
                "SAGEMAKER_REGION": REGION,
                **environment,
            },
        }


def channel(name: str, uri: str, kind: str = "S3Prefix") -> dict[str, Any]:
    source = {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def make_ground(client: Callable[..., Any]) -> Ground:
    s3, iam = client("s3"), client("iam")
    s3.create_bucket(Bucket=BUCKET)
    rows = "".join(f"{n % 7},{n % 7},{n}\n" for n in range(50))
    s3.put_object(Bucket=BUCKET, Key="data/date=2013-02-01/part-0.csv", Body=rows.encode())
    code = archive({"train.py": TRAIN, "inference.py": INFERENCE})
    s3.put_object(Bucket=BUCKET, Key="code/sourcedir.tar.gz", Body=code)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName="execution", AssumeRolePolicyDocument=policy)["Role"]
    allow_s3(iam)
    return Ground(role["Arn"], f"s3://{BUCKET}/data/", f"s3://{BUCKET}/code/sourcedir.tar.gz")


def allow_s3(iam: Any) -> None:
    """Give the execution role what a job does with its data; :func:`revoke_s3` takes it away."""
    statement = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket", "s3:PutObject"]}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": "*"}]}
    iam.put_role_policy(RoleName="execution", PolicyName="data", PolicyDocument=json.dumps(policy))


def revoke_s3(iam: Any) -> None:
    iam.delete_role_policy(RoleName="execution", PolicyName="data")


def wait_while(look: Callable[[], str], *states: str) -> str:
    """Look until the state is none of these; the states passed through must be among them."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (state := look()) in states:
        assert time.monotonic() < deadline, f"still {state} after {DEADLINE_SECONDS} s"
        time.sleep(0.05)
    return state
