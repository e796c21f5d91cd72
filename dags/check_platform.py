"""Inspect and diagnose the platform, changing nothing.

Reads what the console shows page by page (network mode, VPC, subnets, routes, endpoints, file system,
security groups, network interfaces, profiles, apps), then checks what Studio, EMR and the catalog need of
each other. Each finding says what was read, the symptom a user would see, its cause and its fix. What could
not be read is *not checked*, never *passed*.

The table is in the log of `check_platform`; the same as a page and as JSON is in the artifacts bucket under
`reports/`.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from sagemaker_emr.notifications import configured, run_failed
from sagemaker_emr.operators.platform_check import CheckPlatformOperator
from sagemaker_emr.params import CLUSTER, ENDPOINT, ENVIRONMENT, RETRIES, TRAINING

DEMAND = {
    **{name: CLUSTER[name] for name in ("master_instance_type", "core_instance_type", "core_instance_count")},
    "training_instance_type": TRAINING["training_instance_type"],
    **ENDPOINT,
}
"""The form fields that are checked against quotas."""


@dag(
    doc_md=__doc__,
    on_failure_callback=configured(run_failed),
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["sagemaker", "emr", "platform"],
    default_args={**RETRIES, "deferrable": True},
    params={
        **ENVIRONMENT,
        "fail_on_findings": Param(
            False,
            type="boolean",
            title="Fail on findings",
            description="Fail the run where a check failed. What could not be checked never fails it.",
            section="Platform",
        ),
        **DEMAND,
    },
)
def check_platform() -> None:
    CheckPlatformOperator(
        task_id="check_platform",
        environment="{{ params.environment }}",
        demand={name: f"{{{{ params.{name} }}}}" for name in DEMAND},
        fail_on_findings="{{ params.fail_on_findings }}",
    )


check_platform()
