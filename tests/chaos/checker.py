"""What must hold of a play, whatever befell it: read from AWS's end state, the calls and Livy's log.

Each violation is a sentence that begins with the name of what it breaks (:data:`INVARIANTS`).
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import reprlib
import tarfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from tests.chaos import effects, ground
from tests.chaos.boundary import Boundary
from tests.chaos.ground import Ground, client
from tests.chaos.livy import Livy
from tests.chaos.schedules import Aftermath
from tests.dags.runs import Airflow, Process

NOT_HIT = "not hit"
INVARIANTS = {
    "cluster left": "every cluster that was made has ended",
    "product left": "the provisioned product of every cluster is gone, and its stack",
    "two clusters": "no two clusters live for one run, or for one lease, at any time",
    "work done twice": "one batch commits a partition, and none prepares it where another could be known",
    "trained twice": "a run has one successful training job, and no other",
    "other outputs": "partitions, model package, endpoint and announcements are those of an undisturbed play",
    "no effect": "a task that succeeded has done what it is for",
    "run failed": "every run reaches its goal",
    "touched others'": "nothing that belongs to others was named in a call, or has changed",
    "left open": "no claim, lease or batch is left open",
    "little work": "a cluster was made, a batch committed, predictions were asked for",
    NOT_HIT: "the first planned fault befell its call; one after another may find that the work is done",
}

END_SECONDS = 5.0
"""How long AWS may take after the last run to bring to an end what it was told to, in seconds here."""

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxother = 3, 80, 80

LEASE_RUN = re.compile(r"(shared__.+)__\d+")


class Watch:
    """Looks on while a play goes on, and judges it at its end."""

    def __init__(self, of: Ground, scenario: Any, airflow: Airflow) -> None:
        self._ground, self._scenario, self._airflow = of, scenario, airflow
        self._foreign = ground.foreign_state(of.foreign_names)
        self._since = len(of.log.since(0))
        self._without_effect: list[str] = []

    def ended(self, process: Process, state: str, result: Any) -> None:
        """A task ended: a success must have its effect now."""
        if state == "success" and (
            missing := effects.missing(self._scenario.effects, process, result, self._ground.outputs)
        ):
            self._without_effect.append(f"no effect: {process.task_id} of {process.run.run_id}: {missing}")

    def violations(self, boundary: Boundary, undisturbed: dict[str, Any] | None) -> list[str]:
        """Everything that does not hold."""
        _settle(self._foreign_cluster)
        found = [
            *self._without_effect,
            *self._clusters(),
            *self._products(),
            *self._batches(boundary),
            *self._training_jobs(),
            *self._runs(),
            *self._others(boundary),
            *self._open_ends(),
            *self._work(),
        ]
        if boundary.faults and not boundary.hits:
            found.append(f"{NOT_HIT}: {boundary.faults[0]}")
        if undisturbed is not None:
            found += _differences(self.outputs(), undisturbed)
        return found

    @property
    def _foreign_cluster(self) -> str:
        return self._ground.foreign_names[1]

    def _clusters(self) -> Iterator[str]:
        lives: dict[str, list[tuple[datetime, datetime, str]]] = defaultdict(list)
        for cluster in _clusters(self._foreign_cluster):
            status, tags = cluster["Status"], {tag["Key"]: tag["Value"] for tag in cluster["Tags"]}
            if not status["State"].startswith("TERMINATED"):
                yield f"cluster left: {cluster['Id']} is {status['State']}"
            run = tags.get("sagemaker-emr:run", "")
            lease = LEASE_RUN.fullmatch(run)
            timeline = status["Timeline"]
            end = timeline.get("EndDateTime") or datetime.now(UTC)
            lives[lease[1] if lease else run].append((timeline["CreationDateTime"], end, cluster["Id"]))
        for key, spans in lives.items():
            for before, after in itertools.pairwise(sorted(spans)):
                if after[0] < before[1]:
                    yield f"two clusters: {before[2]} and {after[2]} live at once for {key}"

    def _products(self) -> Iterator[str]:
        for product in _own_products():
            yield f"product left: {product['Name']} is {product['Status']}"
        # The stack of a product is named for it; that of the others' product stands.
        own = [name for name in _stacks() if name.startswith("SC-")]
        for name in own:
            if not name.endswith(self._ground.foreign_names[2]):
                yield f"product left: stack {name}"

    def _batches(self, boundary: Boundary) -> Iterator[str]:
        commits = Counter(day for batch in Livy.applications for day in batch.commits)
        works = Counter(day for batch in Livy.applications for day in batch.works)
        unknown = sum(
            fault.aftermath in (Aftermath.LIVY_LOST, Aftermath.AWS_RESTARTED) for fault in boundary.hits
        )
        for day in self._scenario.days:
            if commits[day] > 1:
                yield f"work done twice: {day} was committed {commits[day]} times"
            if works[day] > 1 + unknown:
                yield f"work done twice: {day} was prepared {works[day]} times, Livy was lost {unknown} times"

    def _training_jobs(self) -> Iterator[str]:
        for run, jobs in itertools.groupby(sorted(_training_jobs()), key=lambda job: job[0]):
            states = [state for _, _, state in jobs]
            if states != ["Completed"]:
                yield f"trained twice: jobs of {run}: {', '.join(states)}"

    def _runs(self) -> Iterator[str]:
        for run in self._airflow.runs.values():
            if run.state != "success":
                told = {task: f"{error}"[:400] for task, error in run.errors.items()}
                yield f"run failed: {run.run_id} is {run.state}: {told or run.states}"

    def _others(self, boundary: Boundary) -> Iterator[str]:
        for seen in boundary.seen:
            for name in self._ground.foreign_names:
                if name in seen.text:
                    yield f"touched others': {seen.call} names {name}"
        now = ground.foreign_state(self._ground.foreign_names)
        for what, before in self._foreign.items():
            if now[what] != before:
                yield f"touched others': {what} {before} is now {now[what]}"

    def _open_ends(self) -> Iterator[str]:
        for key, document in _documents(self._ground.outputs["ArtifactsBucket"], "claims/"):
            if document["state"] != "ended":
                yield f"left open: claim {key} is {document['state']}"
        for key, document in _documents(self._ground.outputs["ArtifactsBucket"], "leases/"):
            if document["holders"] or document["closed"] is None:
                yield f"left open: lease {key}: {document}"
        for batch in Livy.applications:
            if batch.state in ("starting", "running"):
                yield f"left open: batch {batch.name} is {batch.state}"

    def _work(self) -> Iterator[str]:
        operations = Counter(entry["operation"] for entry in self._ground.log.since(self._since))
        for operation in self._scenario.needs:
            if not operations[operation]:
                yield f"little work: {operation} was never asked for"
        if not list(_clusters(self._foreign_cluster)):
            yield "little work: there was no cluster"
        if not any(batch.commits for batch in Livy.applications):
            yield "little work: no batch committed anything"

    def outputs(self) -> dict[str, Any]:
        """What others go on with, without names and times that are anew each time."""
        features = self._ground.outputs["FeaturesBucket"]
        partitions = {
            key.split("/")[1]: {
                **{name: document[name] for name in ("rows", "content_hash", "schema_hash", "sources")},
                "files": [(file["etag"], file["size"]) for file in document["files"]],
            }
            for key, document in _documents(features, "flights/date=")
        }
        events = sorted(event for run in self._airflow.runs.values() for event in run.events)
        return {"partitions": partitions, "announced": events, "models": _models(), "endpoints": _endpoints()}


def _settle(foreign_cluster: str) -> None:
    """Let AWS bring to its end what it was told to end."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        ending = [one for one in _clusters(foreign_cluster) if one["Status"]["State"] == "TERMINATING"]
        running = [one for one in Livy.applications if one.state in ("starting", "running")]
        if not ending and not running:
            return
        time.sleep(0.02)


def _clusters(foreign: str) -> Iterator[dict[str, Any]]:
    emr = client("emr")
    for page in emr.get_paginator("list_clusters").paginate():
        for cluster in page["Clusters"]:
            if cluster["Id"] != foreign:
                yield emr.describe_cluster(ClusterId=cluster["Id"])["Cluster"]


def _own_products() -> list[dict[str, Any]]:
    found = client("servicecatalog").search_provisioned_products(
        AccessLevelFilter={"Key": "Account", "Value": "self"}
    )["ProvisionedProducts"]
    return [product for product in found if product["Name"] != ground.FOREIGN]


def _stacks() -> list[str]:
    found = client("cloudformation").describe_stacks()["Stacks"]
    return [stack["StackName"] for stack in found if stack["StackStatus"] != "DELETE_COMPLETE"]


def _training_jobs() -> Iterator[tuple[str, str, str]]:
    """Run, name and state of each."""
    sagemaker = client("sagemaker")
    for summary in sagemaker.list_training_jobs()["TrainingJobSummaries"]:
        tags = sagemaker.list_tags(ResourceArn=summary["TrainingJobArn"])["Tags"]
        run = next((tag["Value"] for tag in tags if tag["Key"] == "sagemaker-emr:run"), "no run")
        yield run, summary["TrainingJobName"], summary["TrainingJobStatus"]


def _documents(bucket: str, prefix: str) -> Iterator[tuple[str, Any]]:
    s3 = client("s3")
    for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
        if entry["Key"].endswith(".json"):
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            yield entry["Key"], json.loads(body)


def _models() -> list[dict[str, Any]]:
    sagemaker = client("sagemaker")
    shown = []
    for group in sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]:
        name = group["ModelPackageGroupName"]
        for summary in sagemaker.list_model_packages(ModelPackageGroupName=name)["ModelPackageSummaryList"]:
            package = sagemaker.describe_model_package(ModelPackageName=summary["ModelPackageArn"])
            told = package["CustomerMetadataProperties"]
            [container] = package["InferenceSpecification"]["Containers"]
            shown.append(
                {
                    "group": name,
                    "approval": package["ModelApprovalStatus"],
                    "model": _model_digest(container["ModelDataUrl"]),
                    **{key: told[key] for key in ("trained_until", "code_hash", "rmse", "baseline_rmse")},
                }
            )
    return shown


def _endpoints() -> list[dict[str, Any]]:
    sagemaker = client("sagemaker")
    shown = []
    for summary in sagemaker.list_endpoints()["Endpoints"]:
        if summary["EndpointName"] == ground.FOREIGN:
            continue
        endpoint = sagemaker.describe_endpoint(EndpointName=summary["EndpointName"])
        config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
        [variant] = config["ProductionVariants"]
        model = sagemaker.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
        shown.append(
            {
                "name": summary["EndpointName"],
                "status": endpoint["EndpointStatus"],
                "instances": (variant["InstanceType"], variant["InitialInstanceCount"]),
                "model": _model_digest(model["ModelDataUrl"]),
            }
        )
    return shown


def _model_digest(uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        packed = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        return str(error)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        member = archive.extractfile("model.ubj") or archive.extractfile("./model.ubj")
        assert member is not None
        return hashlib.sha256(member.read()).hexdigest()


def _differences(outputs: dict[str, Any], undisturbed: dict[str, Any]) -> Sequence[str]:
    return [
        f"other outputs: {name}: {' instead of '.join(map(_BRIEF.repr, _unequal(outputs[name], expected)))}"
        for name, expected in undisturbed.items()
        if outputs[name] != expected
    ]


def _unequal(found: Any, expected: Any) -> tuple[Any, Any]:
    """Of two dicts what differs."""
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return found, expected
    missing: Any = object()
    keys = [key for key in {**expected, **found} if found.get(key, missing) != expected.get(key, missing)]
    return {k: found[k] for k in keys if k in found}, {k: expected[k] for k in keys if k in expected}
