"""Get a Studio notebook for a live EMR cluster, once it is proven that it will connect.

Looks at the cluster, the rules from Studio's security group to Livy, the master's address and Livy itself,
and runs a PySpark statement through a session of its own where Livy has sessions. `connect_notebook` then
returns the two lines to type, the notebook's address in S3, and what was proven; what could not be is *not
checked*.
"""

from __future__ import annotations

from airflow.sdk import dag

from sagemaker_emr.forms import text_field
from sagemaker_emr.notifications import configured, run_failed
from sagemaker_emr.operators.cloud_formation import CloudFormationReadOutputsOperator
from sagemaker_emr.operators.sagemaker_notebook import SageMakerConnectNotebookOperator
from sagemaker_emr.params import ENVIRONMENT, RETRIES


@dag(
    doc_md=__doc__,
    on_failure_callback=configured(run_failed),
    schedule=None,
    catchup=False,
    tags=["sagemaker", "emr", "studio"],
    default_args=RETRIES,
    params={
        **ENVIRONMENT,
        "cluster_id": text_field(
            pattern=r"^j-[0-9A-Z]{1,60}(?!\n)$",
            allowed="Begins with j-, then capital letters and digits.",
            examples=["j-2AXXXXXXGAPLF"],
            title="Cluster",
            description="Its id; list_clusters lists them.",
            section="Studio",
        ),
    },
)
def connect_notebook() -> None:
    platform = CloudFormationReadOutputsOperator(
        task_id="read_platform", environment="{{ params.environment }}", stacks=["storage", "network"]
    )
    SageMakerConnectNotebookOperator(
        task_id="connect_notebook",
        cluster_id="{{ params.cluster_id }}",
        studio_security_group_ids=[platform.output["StudioSecurityGroupId"]],
        bucket=platform.output["ArtifactsBucket"],
    )


connect_notebook()
