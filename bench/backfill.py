"""Runs one backfill on a running stack and measures it."""

from __future__ import annotations

import datetime
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from bench import report
from bench.accounting import ClusterLife, Span
from bench.report import Measured
from local_stack import flights, stack, state
from local_stack.api import AirflowClient, Json, timestamp
from local_stack.aws import ALIVE, LocalAws
from local_stack.outcome import why_failed
from local_stack.settings import Settings, StackError

POLL_SECONDS = 2.0
DEADLINE_SECONDS = 4 * 3600.0
SERVER_ERROR = 500
ENDED = ("success", "failed")

Say = Callable[[str], None]


class Bench:
    """A running stack, as who measures backfills on it sees it.

    :param days: the days to prepare, in order.
    """

    def __init__(
        self, settings: Settings, airflow_client: AirflowClient, days: Sequence[datetime.date], say: Say
    ) -> None:
        self.airflow = airflow_client
        self.days = days
        self.say = say
        self._settings = settings
        self._aws = LocalAws(settings)
        self._seen = 0
        self._told = 0
        self._calls: dict[str, Counter[str]] = {}

    @property
    def task_logs(self) -> Path:
        """The folder of Airflow's task logs; the next benchmark removes it."""
        return self._settings.home / "airflow" / "logs"

    def client(self, service: str) -> Any:
        """A boto3 client whose calls are not counted."""
        return self._aws.client(service)

    def outputs(self, name: str) -> dict[str, str]:
        """The outputs of one of the platform's stacks."""
        stacks = self.client("cloudformation").describe_stacks(StackName=f"sagemaker-emr-dev-{name}")
        return {output["OutputKey"]: output["OutputValue"] for output in stacks["Stacks"][0]["Outputs"]}

    def prepare(self) -> None:
        """Deploy the platform, and wait until all raw data is delivered."""
        run_id = self.airflow.trigger("deploy_platform", {})
        self.until(lambda: self.airflow.run("deploy_platform", run_id)["state"] in ENDED, "the platform")
        if self.airflow.run("deploy_platform", run_id)["state"] != "success":
            raise StackError("deploy_platform failed; its tasks' logs say why")
        s3, bucket = self.client("s3"), self.outputs("storage")["RawBucket"]
        last = f"flights/date={flights.LAST_DATE}/"
        self.until(
            lambda: s3.list_objects_v2(Bucket=bucket, Prefix=last).get("Contents"), "the feed of raw data"
        )

    def measure(
        self,
        name: str,
        dag_id: str,
        places: int,
        features: str,
        *,
        conf: Json | None = None,
        provider: str | None = None,
    ) -> Measured:
        """Run the backfill to its end, and wait until its clusters have ended.

        :param places: how many runs at once.
        :param features: the folder of the features bucket that the runs write.
        :param provider: the DAG whose runs bring up shared clusters; without, each run has its own.
        :raises StackError: a part of the stack died, or the backfill takes too long.
        """
        self.say(f"{name}: {len(self.days)} days, {places} at once")
        self._told = 0
        self._calls = {"airflow": Counter(), "clusters": Counter()}
        self._seen = self._aws.last_request()
        load = [os.getloadavg()]
        before = {cluster["Id"] for cluster in self._clusters()}
        self.airflow.unpause(dag_id)
        begun = time.time()
        backfill = self.airflow.backfill(dag_id, self.days[0], self.days[-1], runs_at_once=places, conf=conf)
        self.until(lambda: self._all_ended(dag_id), f"{name}, {places} at once")
        load.append(os.getloadavg())
        if provider:
            self.until(lambda: self._ended(provider), f"{name}: the shared cluster's end")
        self.until(lambda: not self._clusters(list(ALIVE)), f"{name}: the clusters' end")
        self.until(lambda: self.airflow.find_backfill(backfill)["completed_at"], f"{name}: its completion")
        self._note_calls()
        ended = self._runs(dag_id)
        providers = self.airflow.runs(provider) if provider else []
        with suppress(requests.RequestException):  # told now: the next benchmark removes the logs
            for line in why_failed(self.airflow, [*providers, *ended.values()]):
                self.say(f"  {line}")
        runs = {day: Span(*self._times(run)) for day, run in ended.items()}
        return Measured(
            name=name,
            places=places,
            runs=runs,
            states={day: run["state"] for day, run in ended.items()},
            clusters=[
                self._life(cluster["Id"], shared=provider is not None)
                for cluster in reversed(self._clusters())  # listed newest first
                if cluster["Id"] not in before
            ],
            wall_seconds=max(span.end for span in runs.values()) - begun,
            calls=self._calls,
            partitions=self.partitions(features),
            load=load,
        )

    def forget_runs(self, dag_id: str) -> None:
        """Delete a DAG's runs, so that the same days can be backfilled once more."""
        for run in self.airflow.runs(dag_id):
            self.airflow.delete_run(dag_id, run["dag_run_id"])

    def partitions(self, features: str) -> dict[str, Any]:
        """What the manifests tell of each date's content; a date without one has None."""
        return {
            str(day): {name: manifest[name] for name in ("rows", "schema_hash", "content_hash")}
            if (manifest := self.manifest(features, day))
            else None
            for day in self.days
        }

    def manifest(self, features: str, day: datetime.date) -> Json | None:
        """A date's manifest, if it is committed."""
        s3, bucket = self.client("s3"), self.outputs("storage")["FeaturesBucket"]
        key = f"{features}/date={day}/_manifest.json"
        if not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents"):
            return None
        found: Json = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        return found

    def until(self, reached: Callable[[], Any], what: str) -> None:
        """Wait, noting the calls meanwhile, since the embedded AWS keeps the last ones only.

        :raises StackError: a part of the stack died, or it takes too long.
        """
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self._patiently(reached):
            if time.monotonic() > deadline:
                raise StackError(f"not reached within {DEADLINE_SECONDS:.0f} s: {what}")
            stack.check_alive(self._settings, state.read(self._settings))
            time.sleep(POLL_SECONDS)

    def _patiently(self, reached: Callable[[], Any]) -> Any:
        """Look, on a machine full of Spark: who does not answer now is asked again, the dead are noticed."""
        try:
            self._note_calls()
            return reached()
        except (requests.ConnectionError, requests.Timeout):
            return None
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code < SERVER_ERROR:
                raise
            return None

    def _note_calls(self) -> None:
        if not self._calls:
            return
        received = self._aws.requests(self._seen)
        self._seen = max([self._seen, *(int(entry["seq"]) for entry in received)])
        # The feed is done before; nobody else calls.
        report.count(received, self._calls)

    def _runs(self, dag_id: str) -> dict[str, Json]:
        wanted = {str(day) for day in self.days}
        runs = {
            str(run["logical_date"])[:10]: run for run in self.airflow.runs(dag_id) if run["logical_date"]
        }
        return {day: runs[day] for day in sorted(wanted & runs.keys())}

    def _all_ended(self, dag_id: str) -> bool:
        runs = self._runs(dag_id)
        ended = sum(run["state"] in ENDED for run in runs.values())
        if ended != self._told:
            self._told = ended
            self.say(f"  {ended} of {len(self.days)} days ended")
        return len(runs) == len(self.days) and all(run["state"] in ENDED for run in runs.values())

    def _ended(self, dag_id: str) -> bool:
        return all(run["state"] in ENDED for run in self.airflow.runs(dag_id))

    @staticmethod
    def _times(run: Json) -> tuple[float, float]:
        return timestamp(run["start_date"]), timestamp(run["end_date"])

    def _clusters(self, states: list[str] | None = None) -> list[Json]:
        asked = {"ClusterStates": states} if states else {}
        pages = self.client("emr").get_paginator("list_clusters").paginate(**asked)
        return [cluster for page in pages for cluster in page["Clusters"]]

    def _life(self, cluster_id: str, *, shared: bool) -> ClusterLife:
        cluster = self.client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]
        times = cluster["Status"]["Timeline"]
        created, ended = times["CreationDateTime"].timestamp(), times["EndDateTime"].timestamp()
        ready = times["ReadyDateTime"].timestamp() if "ReadyDateTime" in times else ended
        run = None if shared else cluster["Name"][-len("2013-01-01") :]
        return ClusterLife(cluster_id, Span(created, ready), ended, run=run, is_product=shared)
