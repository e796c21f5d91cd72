"""The platform as a whole: inspected and diagnosed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from botocore.exceptions import ClientError

from sagemaker_emr.checks.inspection import inspect
from sagemaker_emr.checks.platform import STACKS, Demand, NotKnown, Platform
from sagemaker_emr.checks.registry import diagnose
from sagemaker_emr.checks.report import Report, report_key
from sagemaker_emr.exceptions import PlatformNotReady
from sagemaker_emr.hooks.base import AwsHook
from sagemaker_emr.hooks.cloud_formation import CloudFormationHook
from sagemaker_emr.links.s3 import PlatformReportLink
from sagemaker_emr.names import stack_name
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.triggers.cloud_formation_drift import CloudFormationDriftTrigger

DRIFT_TIMEOUT_SECONDS = 600
ADVISORY = frozenset({"block_public_access", "drift", "ec2_quota", "sagemaker_quotas"})
"""Checks of what works as it is, or is the account's and not the platform's."""

CONTENT_TYPES = {"html": "text/html; charset=utf-8", "json": "application/json"}


class CheckPlatformOperator(AwsWaitingOperator[CloudFormationHook]):
    """Diagnoses an environment and writes the report to the log and to its artifacts bucket.

    It reads only: the one thing it writes is its report. What it can't read it reports as *not checked*.

    As the last step of a deployment::

        CheckPlatformOperator(
            task_id="check_platform",
            environment="{{ params.environment }}",
            fail_on_findings=True,
            advisory=ADVISORY,
        )

    :param environment: the environment's name.
    :param demand: fields of :class:`~sagemaker_emr.checks.platform.Demand` to check against quotas, such as
        ``core_instance_type``; those left out have its defaults.
    :param fail_on_findings: fail the task where a check failed; *not checked* never fails it.
    :param advisory: names of checks whose findings are reported and never fail the task.
    :param timeout_seconds: how long drift detection may take before it counts as not checked.
    :return: ``counts`` by verdict, ``to_mend`` (check, resources and fix of what failed by itself), and the
        addresses ``html`` and ``json`` of the report, None where there is no artifacts bucket.
    :raises PlatformNotReady: with ``fail_on_findings``, naming each thing to mend and its fix.
    """

    aws_hook_class = CloudFormationHook
    operator_extra_links = (PlatformReportLink(),)
    template_fields: Sequence[str] = aws_template_fields("environment", "demand", "fail_on_findings")
    template_fields_renderers = {"demand": "json"}  # noqa: RUF012

    def __init__(
        self,
        *,
        environment: str,
        demand: dict[str, Any] | None = None,
        fail_on_findings: bool | str = False,
        advisory: Collection[str] = (),
        timeout_seconds: float = DRIFT_TIMEOUT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, **kwargs)
        self.environment = environment
        self.demand = demand or {}
        self.fail_on_findings = fail_on_findings
        self.advisory = advisory

    def execute(self, context: Context) -> Any:
        """Ask for drift detection first: it is the only thing that takes time."""
        detections: dict[str, str] = {}
        refused: dict[str, str] = {}
        for concern in STACKS:
            try:
                found = self.hook.conn.detect_stack_drift(StackName=stack_name(self.environment, concern))
            except ClientError as error:
                refused[concern] = str(error)
            else:
                detections[concern] = found["StackDriftDetectionId"]
        trigger = CloudFormationDriftTrigger(
            detections=detections, refused=refused, **self.trigger_parameters
        )
        return self.wait_for(context, trigger)

    def complete(self, context: Context, result: dict[str, Any]) -> dict[str, Any]:
        """Read everything, report it, and judge."""
        platform = self._platform(result["drift"])
        findings = diagnose(platform)
        report = Report(
            environment=self.environment,
            account_id=platform.account_id,
            region=platform.region,
            made_at=datetime.now(UTC),
            findings=findings,
            inspection=inspect(platform),
        )
        self.log.info("%s\n\n%s\n", report.summary, report.to_text())
        addresses = self._store(context, platform, report)
        mend = [
            {"check": one.check, "resources": list(one.resources), "fix": one.fix} for one in report.to_mend
        ]
        breaks = [one for one in report.to_mend if one.check not in self.advisory]
        if breaks and str(self.fail_on_findings).strip().lower() == "true":
            raise PlatformNotReady(
                report.summary,
                reason="\n".join(f"- {one}" for one in breaks),
                next_step=f"Mend these, then clear this task. Report: {addresses['html'] or 'in the log'}.",
            )
        return {"counts": report.counts, "to_mend": mend, **addresses}

    def _platform(self, drift: dict[str, Any]) -> Platform:
        def connect(service: str) -> Any:
            return AwsHook(**{**self._hook_parameters, "client_type": service}).conn

        return Platform(
            environment=self.environment,
            connect=connect,
            region=self.hook.conn_region_name,
            partition=self.hook.conn_partition,
            demand=Demand.of(self.demand),
            drift=drift,
        )

    def _store(self, context: Context, platform: Platform, report: Report) -> dict[str, str | None]:
        """Put the report beside the run's other artifacts; a retry replaces it."""
        try:
            bucket = platform.output("storage", "ArtifactsBucket")
        except NotKnown as unknown:
            self.log.warning("The report is in this log only: %s", unknown)
            return dict.fromkeys(CONTENT_TYPES)
        stored: dict[str, str | None] = {}
        for kind, text in {"html": report.to_html(), "json": report.to_json()}.items():
            key = report_key(self.environment, context["ti"].dag_id, str(context["run_id"]), kind)
            platform.client("s3").put_object(
                Bucket=bucket, Key=key, Body=text.encode(), ContentType=CONTENT_TYPES[kind]
            )
            stored[kind] = f"s3://{bucket}/{key}"
            self.log.info("Report: %s", stored[kind])
            if kind == "html":
                self._link(context, bucket, key)
        return stored

    def _link(self, context: Context, bucket: str, key: str) -> None:
        PlatformReportLink.persist(
            context=context,
            operator=self,
            region_name=self.hook.conn_region_name,
            aws_partition=self.hook.conn_partition,
            bucket=bucket,
            object_key=key,
        )
