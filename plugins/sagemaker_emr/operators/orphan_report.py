"""The last task of a run that ends orphans: what was done, told and judged."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context

from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.links.s3 import PlatformReportLink
from sagemaker_emr.operators.base import SKIP_REASON, skip_with_reason
from sagemaker_emr.operators.orphans import environments_or_skip, is_true
from sagemaker_emr.orphan_environments import unreadable
from sagemaker_emr.orphan_report import FAILURE, ROWS, check, counts, log_table, report, with_outcomes


class ReportOrphansOperator(AwsBaseOperator[ArtifactsHook]):
    """Writes the report of a run to the log and to each artifacts bucket, and fails where anything is left.

    It runs whatever became of the tasks before it.

    :param deciding: ids of the tasks that left rows.
    :param also: more environments, with commas between them.
    :param ending: id of the mapped task that ended one thing each.
    :return: ``counts`` by decision, and ``report``, the address of the first environment's.
    :raises OrphansRemain: naming all that could not be ended, and why.
    """

    aws_hook_class = ArtifactsHook
    operator_extra_links = (PlatformReportLink(),)
    template_fields: Sequence[str] = aws_template_fields("environment", "also", "dry_run")

    def __init__(
        self,
        *,
        environment: str,
        deciding: Sequence[str],
        ending: str,
        also: str = "",
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule="all_done", **kwargs)
        self.environment = environment
        self.deciding = deciding
        self.ending = ending
        self.also = also
        self.dry_run = dry_run

    def execute(self, context: Context) -> dict[str, Any]:
        ti: Any = context["ti"]
        for task_id in self.deciding:
            if reason := ti.xcom_pull(task_ids=task_id, key=SKIP_REASON):
                skip_with_reason(context, reason)
        found = {task_id: ti.xcom_pull(task_ids=task_id, key=ROWS) for task_id in self.deciding}
        missing = [task_id for task_id, rows in found.items() if rows is None]
        rows = [row for each in found.values() for row in each or []]
        if not is_true(self.dry_run):
            # As lists: of one task alone, Airflow gives the one value of a single mapped instance.
            ended = ti.xcom_pull(task_ids=[self.ending])
            rows = with_outcomes(rows, ended or [], ti.xcom_pull(task_ids=[self.ending], key=FAILURE) or [])
        self.log.info("%s", log_table(rows))
        addresses = self._store_all(context, rows)
        unknown = unreadable(self.environment, self.also, self._hook_parameters)
        check(self.environment, [] if is_true(self.dry_run) else rows, missing, unknown)
        return {"counts": counts(rows), "report": addresses[0]}

    def _store_all(self, context: Context, rows: list[dict[str, Any]]) -> list[str]:
        """A report for each environment, in its own bucket."""
        addresses = []
        ours = environments_or_skip(context, self.environment, self.also, self._hook_parameters)
        for environment in reversed(ours):  # the task's link is the last one's
            own = [row for row in rows if row["environment"] == environment.name]
            told = report(environment.name, own, is_true(self.dry_run))
            addresses.append(self._store(context, environment.name, environment.bucket, told))
        return addresses[::-1]

    def _store(self, context: Context, name: str, bucket: str, told: dict[str, Any]) -> str:
        """Put it beside the platform's reports; a retry replaces it."""
        run = re.sub(r"[^A-Za-z0-9._-]+", "_", str(context["run_id"]))
        key = f"reports/{name}/{context['ti'].dag_id}/{run}/orphans.json"
        body = json.dumps(told, indent=2).encode()
        self.hook.conn.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
        PlatformReportLink.persist(
            context=context,
            operator=self,
            region_name=self.hook.conn_region_name,
            aws_partition=self.hook.conn_partition,
            bucket=bucket,
            object_key=key,
        )
        self.log.info("Report: s3://%s/%s", bucket, key)
        return f"s3://{bucket}/{key}"
