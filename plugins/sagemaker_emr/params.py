"""What our DAGs share: how their tasks retry, and fields of their forms.

Airflow checks the fields when a run is triggered, from the UI, CLI or API.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import Param

from sagemaker_emr.notifications import budget_passed, configured

RETRIES: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 2.0,
    "on_failure_callback": configured(budget_passed),
}
"""Default arguments of tasks: each can be tried again, and what passes by itself mostly does so soon.

One whose run is at the end of its budget says so, where somebody is to be told."""

INSTANCE_TYPE_PATTERN = r"^ml\.[a-z0-9-]+\.[a-z0-9]+(?!\n)$"
"""``$`` alone lets a line feed pass at the end."""

ENVIRONMENT: dict[str, Any] = {
    "environment": Param(
        "dev",
        type="string",
        pattern=r"^[a-z][a-z0-9]{0,15}(?!\n)$",
        title="Environment",
        description="Part of every name. 1 to 16 of a-z and 0-9, a letter first.",
        section="Platform",
    ),
}

PLATFORM_ACTION: dict[str, Any] = {
    "platform": Param(
        "auto",
        type="string",
        enum=["auto", "deploy", "verify"],
        values_display={
            "auto": "auto: deploy when triggered by hand, verify when scheduled",
            "deploy": "deploy: create or update the stacks first",
            "verify": "verify: only read the stacks; fail if one is missing",
        },
        title="Platform",
        description="What to do with the platform's stacks before the run.",
        section="Platform",
    ),
}

CLUSTER_SIZE: dict[str, Any] = {
    "emr_release": Param(
        "emr-7.8.0",
        type="string",
        enum=["emr-7.10.0", "emr-7.9.0", "emr-7.8.0", "emr-7.5.0", "emr-7.2.0"],
        title="EMR release",
        description="Releases with Spark 3.5, which the Spark job is written for.",
        section="Cluster",
    ),
    "master_instance_type": Param(
        "m5.xlarge",
        type="string",
        enum=["m5.xlarge", "m5.2xlarge"],
        title="Master instance type",
        section="Cluster",
    ),
    "core_instance_type": Param(
        "m5.xlarge",
        type="string",
        enum=["m5.xlarge", "m5.2xlarge", "m5.4xlarge"],
        title="Core instance type",
        section="Cluster",
    ),
    "core_instance_count": Param(
        2, type="integer", enum=[2, 5, 10], title="Core instances", section="Cluster"
    ),
}

MAX_BUDGET_USD = 1_000_000
BUDGET_VARIABLE, BACKFILL_BUDGET_VARIABLE = "SAGEMAKER_EMR_BUDGET_USD", "SAGEMAKER_EMR_BACKFILL_BUDGET_USD"


def _budget(variable: str) -> float | None:
    """The default of a budget, from the environment.

    :raises ValueError: it is no amount; naming the variable.
    """
    amount = os.environ.get(variable)
    if not amount:
        return None
    try:
        usd = float(amount)
    except ValueError:
        usd = 0.0
    if not 0 < usd <= MAX_BUDGET_USD:
        raise ValueError(
            f"{variable} is {amount!r}: give an amount in USD up to {MAX_BUDGET_USD}, or nothing"
        )
    return usd


BUDGET: dict[str, Any] = {
    "budget_usd": Param(
        _budget(BUDGET_VARIABLE),
        type=["null", "number"],
        minimum=0.01,
        maximum=MAX_BUDGET_USD,
        title="Budget (USD)",
        description="For cluster, training and the endpoint's hours below. A run that would cost more is not "
        "started, and one that is about to ends. Empty: no budget.",
        examples=[5, 20],
        section="Budget",
    ),
    "endpoint_hours": Param(
        24,
        type="integer",
        minimum=0,
        maximum=8760,
        title="Endpoint hours (h)",
        description="So many hours of the endpoint count as the run's. It serves, and costs, until it is "
        "deleted.",
        section="Budget",
    ),
}

BACKFILL_BUDGET: dict[str, Any] = {
    "budget_usd": Param(
        _budget(BACKFILL_BUDGET_VARIABLE),
        type=["null", "number"],
        minimum=0.01,
        maximum=MAX_BUDGET_USD,
        title="Budget (USD)",
        description="For the clusters of all runs that give the same amount and name, as those of a backfill "
        "do: a cluster that would cost more is not started, and one that is about to ends. Empty: no budget.",
        examples=[5, 20],
        section="Budget",
    ),
    "budget_name": Param(
        "backfill",
        type="string",
        pattern=r"^[a-z0-9][a-z0-9-]{0,30}(?!\n)$",
        title="Name of the budget",
        description="What is spent under a name stays spent: give each backfill its own, for example "
        "january-2013. 1 to 31 of a-z, 0-9 and hyphens, no hyphen first.",
        examples=["january-2013"],
        section="Budget",
    ),
}

PRODUCT_PARAMETERS = {
    "EmrRelease": "{{ params.emr_release }}",
    "MasterInstanceType": "{{ params.master_instance_type }}",
    "CoreInstanceType": "{{ params.core_instance_type }}",
    "CoreInstanceCount": "{{ params.core_instance_count }}",
}
"""The EMR product's parameters, as templates for a DAG whose form has :data:`CLUSTER_SIZE`."""

CLUSTER: dict[str, Any] = {
    **CLUSTER_SIZE,
    "release_cluster": Param(
        "after_data_prep",
        type="string",
        enum=["after_data_prep", "at_end"],
        title="Release the cluster",
        description="Paid by the second: end it when the last Spark stage has ended, or with the run.",
        section="Cluster",
    ),
}

PREPARATION: dict[str, Any] = {
    "prepare": Param(
        "when_missing",
        type="string",
        enum=["when_missing", "always"],
        values_display={
            "when_missing": "when missing: no cluster where all days are there, and up to date",
            "always": "always: prepare the whole window anew",
        },
        title="Prepare features",
        description="Runs that a prepared day started never prepare any.",
        section="Cluster",
    ),
}

TRAINING: dict[str, Any] = {
    "training_end_date": Param(
        "2013-02-14",
        type="string",
        format="date",
        title="Last training day",
        description="Of a run by hand; the evaluation days follow it. Sample data: 2013-01-01 to 2013-12-31.",
        section="Training",
    ),
    "training_window_days": Param(
        28, type="integer", minimum=7, maximum=90, title="Training window (days)", section="Training"
    ),
    "evaluation_days": Param(
        3, type="integer", minimum=1, maximum=14, title="Evaluation window (days)", section="Training"
    ),
    "training_instance_type": Param(
        "ml.m5.xlarge",
        type="string",
        pattern=INSTANCE_TYPE_PATTERN,
        title="Training instance type",
        description="For example ml.m5.xlarge.",
        section="Training",
    ),
    "max_depth": Param(6, type="integer", minimum=1, maximum=16, title="Tree depth", section="Model"),
    "eta": Param(0.05, type="number", minimum=0.001, maximum=1, title="Learning rate", section="Model"),
    "num_round": Param(100, type="integer", minimum=1, maximum=5000, title="Trees", section="Model"),
    "subsample": Param(
        0.8, type="number", minimum=0.1, maximum=1, title="Share of rows per tree", section="Model"
    ),
    "min_child_weight": Param(
        100, type="number", minimum=0, maximum=1000, title="Minimum child weight", section="Model"
    ),
    "seed": Param(1, type="integer", minimum=0, maximum=2**31 - 1, title="Random seed", section="Model"),
}

ENDPOINT: dict[str, Any] = {
    "endpoint_instance_type": Param(
        "ml.m5.large",
        type="string",
        pattern=INSTANCE_TYPE_PATTERN,
        title="Endpoint instance type",
        description="For example ml.m5.large.",
        section="Endpoint",
    ),
    "endpoint_instance_count": Param(
        1, type="integer", minimum=1, maximum=10, title="Endpoint instances", section="Endpoint"
    ),
}

DEPLOYMENT: dict[str, Any] = {
    "deploy": Param(
        "unless_newer_serves",
        type="string",
        enum=["unless_newer_serves", "always"],
        values_display={
            "unless_newer_serves": "unless a newer model serves: one that was trained on later days",
            "always": "always: also in the place of a newer model",
        },
        title="Deploy",
        description="A model that is not deployed is registered all the same.",
        section="Endpoint",
    ),
}

MAX_AGE_HOURS = 96
"""More than the 72 hours that the form of a shared cluster allows it, with time to start and to end."""

ORPHANS: dict[str, Any] = {
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Report what would be ended, and why; end nothing.",
        section="Run",
    ),
    "max_age_hours": Param(
        MAX_AGE_HOURS,
        type="integer",
        minimum=1,
        maximum=2160,
        title="Maximum age (h)",
        description="Then any cluster of the catalog ends, in use or not, whoever launched it.",
        section="Clusters",
    ),
    "only_deployment": Param(
        False,
        type="boolean",
        title="Only Airflow",
        description="No other Airflow launches clusters here: what belongs to a run that is not known ends "
        "at once. Else it has until the maximum age.",
        section="Clusters",
    ),
    "leftover_hours": Param(
        168,
        type="integer",
        minimum=24,
        maximum=8760,
        title="Age of unused models (h)",
        description="Endpoint configurations and models that serve nowhere end when they are older.",
        section="Leftovers",
    ),
    "keep_newest": Param(
        3,
        type="integer",
        minimum=1,
        maximum=100,
        title="Newest to keep",
        description="Of each endpoint, so many configurations and models stay whatever their age.",
        section="Leftovers",
    ),
    "upload_hours": Param(
        24,
        type="integer",
        minimum=24,
        maximum=168,
        title="Age of uploads (h)",
        description="Multipart uploads that were begun before that are taken for abandoned.",
        section="Leftovers",
    ),
}
