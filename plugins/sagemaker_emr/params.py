"""What our DAGs share: how their tasks retry, and fields of their forms.

Airflow checks the fields when a run is triggered, from the UI, CLI or API.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import Param

from sagemaker_emr.airflow_versions import DOUBLING
from sagemaker_emr.forms import text_field
from sagemaker_emr.notifications import budget_passed, configured

RETRIES: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": DOUBLING,
    "max_retry_delay": timedelta(minutes=2),
    "on_failure_callback": configured(budget_passed),
}
"""Default arguments of tasks: each can be tried again, and what passes by itself mostly does so soon.

Airflow doubles the delay with every try there ever was, those before a clear too: without a bound, the first
retry of a task that was cleared often comes after hours.

One whose run is at the end of its budget says so, where somebody is to be told."""

ENVIRONMENTS_VARIABLE = "SAGEMAKER_EMR_ENVIRONMENTS"
"""Of Airflow's machines: names, with commas between them, of the environments that it looks after."""

INSTANCE_TYPE_PATTERN = r"^ml\.[a-z0-9-]+\.[a-z0-9]+(?!\n)$"
"""``$`` alone lets a line feed pass at the end."""

ENVIRONMENT_PATTERN = r"^[a-z][a-z0-9]{0,15}(?!\n)$"
ENVIRONMENT_RULE = "1 to 16 of a-z and 0-9, a letter first."

ENVIRONMENT: dict[str, Any] = {
    "environment": text_field(
        "dev",
        pattern=ENVIRONMENT_PATTERN,
        allowed=ENVIRONMENT_RULE,
        examples=["dev", "prod"],
        title="Environment",
        description="Part of every name.",
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
        description="Of the one node where Livy, YARN's resource manager and the batches' drivers run.",
        section="Cluster",
    ),
    "core_instance_type": Param(
        "m5.xlarge",
        type="string",
        enum=["m5.xlarge", "m5.2xlarge", "m5.4xlarge"],
        title="Core instance type",
        description="Of the nodes that compute: 4, 8 and 16 vCPUs.",
        section="Cluster",
    ),
    "core_instance_count": Param(
        2,
        type="integer",
        enum=[2, 5, 10],
        title="Core instances (number)",
        description="Beside the master.",
        section="Cluster",
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
    "budget_name": text_field(
        "backfill",
        pattern=r"^[a-z0-9][a-z0-9-]{0,30}(?!\n)$",
        title="Name of the budget",
        allowed="1 to 31 of a-z, 0-9 and hyphens, no hyphen first.",
        description="What is spent under a name stays spent: give each backfill its own.",
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
        values_display={
            "after_data_prep": "after data prep: when the last Spark stage has ended",
            "at_end": "at end: with the run, for whoever wants to look at the cluster",
        },
        title="Release the cluster",
        description="When the cluster ends; it is paid by the second.",
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
        description="Whether Spark prepares days again. Runs that a prepared day started never prepare any.",
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
        28,
        type="integer",
        minimum=7,
        maximum=90,
        title="Training window (days)",
        description="So many days up to the last training day. 7 to 90.",
        section="Training",
    ),
    "evaluation_days": Param(
        3,
        type="integer",
        minimum=1,
        maximum=14,
        title="Evaluation window (days)",
        description="The days after it, on which the model must beat its baselines. 1 to 14.",
        section="Training",
    ),
    "training_instance_type": text_field(
        "ml.m5.xlarge",
        pattern=INSTANCE_TYPE_PATTERN,
        allowed="An instance type of SageMaker: ml, family and size with dots between.",
        examples=["ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge", "ml.m5.4xlarge"],
        title="Training instance type",
        description="Of the one instance that trains.",
        section="Training",
    ),
    "max_depth": Param(
        6,
        type="integer",
        minimum=1,
        maximum=16,
        title="Tree depth (levels)",
        description="XGBoost's max_depth: deeper trees fit closer. 1 to 16.",
        section="Model",
    ),
    "eta": Param(
        0.05,
        type="number",
        minimum=0.001,
        maximum=1,
        title="Learning rate (share)",
        description="XGBoost's eta: how much of each tree counts; smaller wants more trees. 0.001 to 1.",
        section="Model",
    ),
    "num_round": Param(
        100,
        type="integer",
        minimum=1,
        maximum=5000,
        title="Trees (number)",
        description="XGBoost's num_round. 1 to 5000.",
        section="Model",
    ),
    "subsample": Param(
        0.8,
        type="number",
        minimum=0.1,
        maximum=1,
        title="Rows per tree (share)",
        description="XGBoost's subsample. 0.1 to 1, which is all.",
        section="Model",
    ),
    "min_child_weight": Param(
        100,
        type="number",
        minimum=0,
        maximum=1000,
        title="Minimum child weight (rows)",
        description="XGBoost's min_child_weight: a leaf has at least so many flights. 0 to 1000.",
        section="Model",
    ),
    "seed": Param(
        1,
        type="integer",
        minimum=0,
        maximum=2**31 - 1,
        title="Random seed (number)",
        description="The same one chooses the same rows: the same data then gives the same model.",
        section="Model",
    ),
}

ENDPOINT: dict[str, Any] = {
    "endpoint_instance_type": text_field(
        "ml.m5.large",
        pattern=INSTANCE_TYPE_PATTERN,
        allowed="An instance type of SageMaker: ml, family and size with dots between.",
        examples=["ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge", "ml.m5.4xlarge"],
        title="Endpoint instance type",
        description="Of the instances that serve.",
        section="Endpoint",
    ),
    "endpoint_instance_count": Param(
        1,
        type="integer",
        minimum=1,
        maximum=10,
        title="Endpoint instances (number)",
        description="They serve, and are paid, until the endpoint is deleted. 1 to 10.",
        section="Endpoint",
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
    "also_environments": Param(
        [name for name in os.environ.get(ENVIRONMENTS_VARIABLE, "").split(",") if name],
        type="array",
        items={"type": "string", "pattern": ENVIRONMENT_PATTERN, "allowed": ENVIRONMENT_RULE},
        allowed=ENVIRONMENT_RULE,
        uniqueItems=True,
        examples=[["test", "prod"]],
        title="More environments",
        description="Of this Airflow, one a line; what ends in them is decided as in the one above. For "
        f"scheduled runs: the variable {ENVIRONMENTS_VARIABLE} of Airflow's machines. "
        f"{ENVIRONMENT_RULE}",
        section="Platform",
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
        title="Newest to keep (number)",
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
