"""End an EMR cluster of an environment's catalog, whoever launched it, and prove that it is gone.

Takes the provisioned product's name, as `list_clusters` shows it. A cluster that was launched from Studio is
ended with its SageMaker project. What is gone already is a success.
"""

from __future__ import annotations

from airflow.sdk import dag

from sagemaker_emr.forms import text_field
from sagemaker_emr.notifications import configured, run_failed
from sagemaker_emr.operators.catalog_clusters import ServiceCatalogTerminateClusterOperator
from sagemaker_emr.operators.cloud_formation import CloudFormationReadOutputsOperator
from sagemaker_emr.params import ENVIRONMENT, RETRIES


@dag(
    doc_md=__doc__,
    on_failure_callback=configured(run_failed),
    schedule=None,
    catchup=False,
    tags=["sagemaker", "emr", "clusters"],
    default_args={**RETRIES, "deferrable": True},
    params={
        **ENVIRONMENT,
        "provisioned_product": text_field(
            pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}(?!\n)$",
            allowed="1 to 128 letters, digits, dots, underscores and hyphens; a letter or digit first.",
            examples=["cluster-dev-train-and-deploy-model-0a1b2c3d4e5f-1"],
            title="Provisioned product",
            description="The name that list_clusters shows.",
            section="Cluster",
        ),
    },
)
def terminate_cluster() -> None:
    platform = CloudFormationReadOutputsOperator(
        task_id="read_platform", environment="{{ params.environment }}", stacks=["catalog"]
    )
    ServiceCatalogTerminateClusterOperator(
        task_id="terminate_cluster",
        product_id=platform.output["ProductId"],
        provisioned_product="{{ params.provisioned_product }}",
    )


terminate_cluster()
