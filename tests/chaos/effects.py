"""What a task that succeeded has done: looked up in AWS at the moment of its success, by task."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.chaos.ground import client
from tests.dags.runs import Process

Effect = Callable[[Process, Any, dict[str, str]], bool]


def missing(
    effects: Mapping[str, Effect], process: Process, result: Any, outputs: dict[str, str]
) -> str | None:
    """What is not there though the task says so; None where all is there.

    :param effects: by task.
    """
    effect = effects.get(process.task_id)
    if effect is None:
        return None
    try:
        return None if effect(process, result, outputs) else f"not there, though it returned {result}"
    except (ClientError, KeyError, TypeError) as error:
        return f"{error!r}, though it returned {result}"


def _object(uri: str) -> bool:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    client("s3").head_object(Bucket=bucket, Key=key)
    return True


def _cluster_state(cluster_id: str) -> str:
    state: str = client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"]
    return state


def _claimed(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    keys = client("s3").list_objects_v2(Bucket=outputs["ArtifactsBucket"], Prefix="claims/")["Contents"]
    bodies = [
        json.loads(client("s3").get_object(Bucket=outputs["ArtifactsBucket"], Key=one["Key"])["Body"].read())
        for one in keys
    ]
    return any(one["run_id"] == process.run.run_id for one in bodies)


def _requested(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    record = client("servicecatalog").describe_record(Id=result["record_id"])["RecordDetail"]
    return bool(record["ProvisionedProductName"] == result["product_name"])


def _ready(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    return _cluster_state(result["cluster_id"]) in ("RUNNING", "WAITING")


def _prepared(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    features = outputs["FeaturesBucket"]
    days = result["completion"]["dates"]
    return _object(f"s3://{features}/_batches/{result['batch_name']}.json") and all(
        _object(f"s3://{features}/flights/date={day}/_manifest.json") for day in days
    )


def _trained(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    job = client("sagemaker").describe_training_job(TrainingJobName=result["job_name"])
    return job["TrainingJobStatus"] == "Completed" and _object(result["model_data"])


def _no_job_runs(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    """The training's teardown: nothing of the run trains any more."""
    sagemaker = client("sagemaker")
    for job in sagemaker.list_training_jobs()["TrainingJobSummaries"]:
        tags = {
            tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
        }
        running = job["TrainingJobStatus"] in ("InProgress", "Stopping")
        if running and tags.get("sagemaker-emr:run") == process.run.run_id:
            return False
    return True


def _evaluated(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    return _object(result["evaluation_uri"]) and _object(result["predictions_uri"])


def _registered(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    package = client("sagemaker").describe_model_package(ModelPackageName=result["model_package_arn"])
    return bool(package["ModelPackageStatus"] == "Completed")


def _deployed(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    endpoint = client("sagemaker").describe_endpoint(EndpointName=result["endpoint_name"])
    return (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == (
        "InService",
        result["endpoint_config_name"],
    )


def _tested(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    return result["prediction_count"] > 0 and result["max_abs_difference"] < 1e-3


def _terminated(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    """The cluster of the run has ended, and no product carries its tag."""
    if result["cluster_id"] and not _cluster_state(result["cluster_id"]).startswith("TERMINATED"):
        return False
    products = client("servicecatalog").search_provisioned_products(
        AccessLevelFilter={"Key": "Account", "Value": "self"}
    )["ProvisionedProducts"]
    tags = [{tag["Key"]: tag["Value"] for tag in product.get("Tags", [])} for product in products]
    return all(one.get("sagemaker-emr:run") != process.run.run_id for one in tags)


def _holders(outputs: dict[str, str]) -> set[str]:
    found = client("s3").list_objects_v2(Bucket=outputs["ArtifactsBucket"], Prefix="leases/")["Contents"]
    holders: set[str] = set()
    for entry in found:
        body = client("s3").get_object(Bucket=outputs["ArtifactsBucket"], Key=entry["Key"])["Body"].read()
        holders |= {holder["run_id"] for holder in json.loads(body)["holders"].values()}
    return holders


def _joined(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    return process.run.run_id in _holders(outputs)


def _left(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    return process.run.run_id not in _holders(outputs)


def _announced(process: Process, result: Any, outputs: dict[str, str]) -> bool:
    return len(process.run.events) == 1


EFFECTS: dict[str, Effect] = {
    "claim_cluster": _claimed,
    "request_cluster": _requested,
    "wait_for_cluster": _ready,
    "prepare_features": _prepared,
    "train_model": _trained,
    "stop_training": _no_job_runs,
    "evaluate_model": _evaluated,
    "register_model": _registered,
    "deploy_model": _deployed,
    "smoke_test": _tested,
    "terminate_cluster": _terminated,
    "join_cluster": _joined,
    "leave_cluster": _left,
    "announce_partition": _announced,
}
