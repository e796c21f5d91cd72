"""Enter SageMaker Studio as one of its user profiles.

When the run has succeeded, `open_studio` has the link **Open Studio** (in its details, under *Extra Links*).
Each click makes a presigned URL that works for a minute, for whoever may trigger this DAG; it is stored
nowhere. `list_studio` shows the domain's user profiles, spaces and apps.
"""

from __future__ import annotations

from airflow.sdk import dag

from sagemaker_emr.forms import text_field
from sagemaker_emr.notifications import configured, run_failed
from sagemaker_emr.operators.cloud_formation import CloudFormationReadOutputsOperator
from sagemaker_emr.operators.sagemaker_studio import SageMakerListStudioOperator, SageMakerOpenStudioOperator
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
        "user_profile_name": text_field(
            "data-scientist",
            pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}(?!\n)$",
            allowed="1 to 63 letters, digits and hyphens; no hyphen first or last.",
            examples=["data-scientist"],
            title="User profile",
            description="Who to enter Studio as.",
            section="Studio",
        ),
    },
)
def open_studio() -> None:
    platform = CloudFormationReadOutputsOperator(
        task_id="read_platform", environment="{{ params.environment }}", stacks=["studio"]
    )
    domain_id = platform.output["DomainId"]
    SageMakerOpenStudioOperator(
        task_id="open_studio", domain_id=domain_id, user_profile_name="{{ params.user_profile_name }}"
    )
    SageMakerListStudioOperator(task_id="list_studio", domain_id=domain_id)


open_studio()
