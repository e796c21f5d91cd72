"""Take the platform of an environment down, from the inside out.

Endpoints, clusters, Studio's apps, spaces and profiles, the domain and what it leaves behind, the catalog,
the network. Kept unless the form says otherwise: the users' home file system, and the buckets; EMR's default
roles stay always, since they belong to the account. What was kept, and why, is in `report_what_is_left`.
It can be run again from any point: what is gone already is passed over.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, chain, dag, task

from sagemaker_emr.forms import text_field
from sagemaker_emr.names import stack_name
from sagemaker_emr.notifications import configured, run_failed
from sagemaker_emr.operators.cloud_formation import CloudFormationDeleteStackOperator
from sagemaker_emr.operators.sagemaker_domain import (
    SageMakerEmptyDomainOperator,
    SageMakerRemoveDomainLeftoversOperator,
)
from sagemaker_emr.operators.teardown import (
    CloudFormationDeleteStacksOperator,
    DeleteBucketsOperator,
    ReportLeftoversOperator,
    RevokeRulesOfEmrOperator,
    SageMakerDeleteEndpointsOperator,
    ServiceCatalogEndProductsOperator,
    confirm,
)
from sagemaker_emr.params import ENVIRONMENT, RETRIES

ENV = "{{ params.environment }}"


@task
def confirm_environment(**context: Any) -> None:
    """Refuse to go on unless the environment's name was typed twice."""
    confirm(context["params"]["environment"], context["params"]["confirm"])


def delete_stack(stack: str) -> CloudFormationDeleteStackOperator:
    return CloudFormationDeleteStackOperator(
        task_id=f"delete_{stack}", stack_name=stack_name(ENV, stack), timeout_seconds=45 * 60
    )


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
        "confirm": text_field(
            "",
            pattern=r"^[a-z0-9-]{0,16}(?!\n)$",
            allowed="The same as in the field above it.",
            examples=["dev"],
            title="Confirm",
            description="Type the environment's name once more.",
            section="Platform",
        ),
        "end_clusters": Param(
            False,
            type="boolean",
            title="End clusters",
            description="End clusters that were launched from the catalog; else their existence is refused.",
            section="Clusters",
        ),
        "delete_home_file_system": Param(
            False,
            type="boolean",
            title="Delete home files",
            description="The domain's EFS file system with all users' files. They can't be restored.",
            section="Data",
        ),
        "delete_buckets": Param(
            False,
            type="boolean",
            title="Delete buckets",
            description="Raw data, features and artifacts, with all versions. They can't be restored.",
            section="Data",
        ),
    },
)
def destroy_platform() -> None:
    chain(
        confirm_environment(),
        ServiceCatalogEndProductsOperator(
            task_id="end_clusters", environment=ENV, terminate="{{ params.end_clusters }}"
        ),
        SageMakerDeleteEndpointsOperator(task_id="delete_endpoints", environment=ENV),
        SageMakerEmptyDomainOperator(task_id="empty_domain", environment=ENV),
        CloudFormationDeleteStacksOperator(
            task_id="delete_profiles", environment=ENV, prefix=stack_name(ENV, "profile-")
        ),
        delete_stack("catalog"),
        delete_stack("studio"),
        SageMakerRemoveDomainLeftoversOperator(
            task_id="remove_leftovers",
            environment=ENV,
            delete_file_system="{{ params.delete_home_file_system }}",
        ),
        RevokeRulesOfEmrOperator(task_id="revoke_rules_of_emr", environment=ENV),
        delete_stack("network"),
        delete_stack("storage"),
        DeleteBucketsOperator(
            task_id="delete_buckets", environment=ENV, delete="{{ params.delete_buckets }}"
        ),
        ReportLeftoversOperator(task_id="report_what_is_left", environment=ENV),
    )


destroy_platform()
