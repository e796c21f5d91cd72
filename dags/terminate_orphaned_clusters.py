"""End what no run needs any more: the last of three layers that keep clusters from outliving their work.

Every 30 minutes, in the environments of the form: provisioned products and clusters whose run has ended, or
that are older than anything may be; leases whose provider has died; endpoint configurations and models that
serve nowhere; abandoned multipart uploads. Each is decided on by tag, claim and what Airflow knows of its
run, looked at once more just before it is ended, and explained in the log and in a JSON report. What is not
of these environments is never touched; what a person launched, or a run of another Airflow may own, only at
the maximum age. Scheduled runs look after the environments in Airflow's `SAGEMAKER_EMR_ENVIRONMENTS` too.

A run fails at its end where something could not be ended, and names it. `dry_run` ends nothing.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag

from sagemaker_emr.notifications import configured, run_failed
from sagemaker_emr.operators.orphan_report import ReportOrphansOperator
from sagemaker_emr.operators.orphans import (
    EndLeftoversOperator,
    EndOrphanOperator,
    FindOrphanedClustersOperator,
)
from sagemaker_emr.params import ENVIRONMENT, ORPHANS, RETRIES


@dag(
    doc_md=__doc__,
    on_failure_callback=configured(run_failed),
    schedule="*/30 * * * *",
    catchup=False,
    is_paused_upon_creation=False,  # whoever would forget to switch it on is whom it is for
    max_active_runs=1,
    tags=["sagemaker", "emr", "clusters"],
    default_args=RETRIES,
    params={**ENVIRONMENT, **ORPHANS},
)
def terminate_orphaned_clusters() -> None:
    common: dict[str, Any] = {"environment": "{{ params.environment }}"}
    also = {"also": "{{ params.also_environments | join(',') }}"}
    dry_run = {"dry_run": "{{ params.dry_run }}"}
    clusters = {
        "max_age_hours": "{{ params.max_age_hours }}",
        "only_deployment": "{{ params.only_deployment }}",
    }
    find = FindOrphanedClustersOperator(
        task_id="find_orphaned_clusters", **common, **also, **clusters, **dry_run
    )
    end = EndOrphanOperator.partial(
        task_id="end_orphan",
        deferrable=True,
        map_index_template="{{ task.orphan['resource'] }}",
        **common,
        **clusters,
    ).expand(orphan=find.output)
    leftovers = EndLeftoversOperator(
        task_id="end_leftovers",
        leftover_hours="{{ params.leftover_hours }}",
        keep_newest="{{ params.keep_newest }}",
        upload_hours="{{ params.upload_hours }}",
        **common,
        **also,
        **dry_run,
    )
    [end, leftovers] >> ReportOrphansOperator(
        task_id="report_outcome",
        deciding=[find.task_id, leftovers.task_id],
        ending="end_orphan",
        **common,
        **also,
        **dry_run,
    )


terminate_orphaned_clusters()
