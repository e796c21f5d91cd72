"""List the EMR clusters of an environment's catalog, whoever launched them, Studio's users included."""

from __future__ import annotations

from airflow.sdk import dag

from sagemaker_emr.notifications import configured, run_failed
from sagemaker_emr.operators.catalog_clusters import ServiceCatalogListClustersOperator
from sagemaker_emr.operators.cloud_formation import CloudFormationReadOutputsOperator
from sagemaker_emr.params import ENVIRONMENT, RETRIES


@dag(
    doc_md=__doc__,
    on_failure_callback=configured(run_failed),
    schedule=None,
    catchup=False,
    tags=["sagemaker", "emr", "clusters"],
    default_args=RETRIES,
    params=ENVIRONMENT,
)
def list_clusters() -> None:
    platform = CloudFormationReadOutputsOperator(
        task_id="read_platform", environment="{{ params.environment }}", stacks=["catalog"]
    )
    ServiceCatalogListClustersOperator(task_id="list_clusters", product_id=platform.output["ProductId"])


list_clusters()
