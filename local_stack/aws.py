"""What AWS says about a run: how long the real work took, and whether a cluster is left."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local_stack import airflow
from local_stack.api import Json
from local_stack.report import Work
from local_stack.settings import Settings

USER_AGENT = "local-stack-demo"
"""By which the demo's own calls are told from those of the run."""

ALIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING")


class LocalAws:
    """The embedded AWS through boto3, as the stack's user."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def client(self, service: str) -> Any:
        """A boto3 client whose calls :meth:`requests` leaves out."""
        variables = airflow.aws(self._settings)
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=variables["AWS_ENDPOINT_URL"],
            region_name=variables["AWS_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            config=Config(user_agent_extra=USER_AGENT, proxies={}),
        )

    def clusters_alive(self) -> int | None:
        """How many clusters cost money; None when the server does not answer."""
        try:
            pages = self.client("emr").get_paginator("list_clusters").paginate(ClusterStates=list(ALIVE))
            return sum(len(page["Clusters"]) for page in pages)
        except (BotoCoreError, ClientError):
            return None

    def last_request(self) -> int:
        """The number of the last request received."""
        entries = self.requests(0)
        return max((int(entry["seq"]) for entry in entries), default=0)

    def requests(self, since: int) -> list[Json]:
        """The requests received after that number, but those of the demo itself."""
        answer = requests.get(
            f"{self._settings.aws_url}/_local/requests", params={"since": since}, timeout=30
        )
        answer.raise_for_status()
        entries: list[Json] = answer.json()
        return [entry for entry in entries if USER_AGENT not in str(entry.get("user_agent", ""))]

    def work(self, results: Mapping[str, Any], received: Sequence[Json]) -> Work:
        """How long the services and the Spark driver say that they worked; 0 for what was not reached.

        :param received: the requests of the run.
        """
        deployed = [r for r in received if r["operation"] in ("CreateEndpoint", "UpdateEndpoint")]
        endpoint_name = (results.get("deploy_model") or {}).get("endpoint_name")
        return Work(
            cluster_start=self._cluster_start((results.get("terminate_cluster") or {}).get("cluster_id")),
            spark=(results.get("prepare_features") or {}).get("batch_seconds") or 0.0,
            training=self._training((results.get("train_model") or {}).get("job_name")),
            endpoint_start=self._endpoint_start(endpoint_name, deployed[-1]["time"]) if deployed else 0.0,
        )

    def _cluster_start(self, cluster_id: str | None) -> float:
        if not cluster_id:
            return 0.0
        timeline = self.client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["Timeline"]
        return _seconds(timeline.get("CreationDateTime"), timeline.get("ReadyDateTime"))

    def _training(self, job_name: str | None) -> float:
        if not job_name:
            return 0.0
        job = self.client("sagemaker").describe_training_job(TrainingJobName=job_name)
        return _seconds(job.get("TrainingStartTime"), job.get("TrainingEndTime"))

    def _endpoint_start(self, endpoint_name: str | None, requested_at: float) -> float:
        """From the request that made or changed it in this run, since an endpoint outlives many runs."""
        if not endpoint_name:
            return 0.0
        endpoint = self.client("sagemaker").describe_endpoint(EndpointName=endpoint_name)
        return max(0.0, float(endpoint["LastModifiedTime"].timestamp()) - requested_at)


def _seconds(start: datetime.datetime | None, end: datetime.datetime | None) -> float:
    return (end - start).total_seconds() if start and end else 0.0
