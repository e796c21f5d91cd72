"""Create or update the platform: VPC, SageMaker Studio domain, Service Catalog with the EMR product.

Four CloudFormation stacks, each deployed through a change set whose plan is in the task's log before it
runs. A stack without changes passes in seconds. A change that would replace or delete the domain, its file
system or a bucket is refused unless *Allow replacement* is set.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from sagemaker_emr.params import ENVIRONMENT
from sagemaker_emr.task_groups.platform import platform


@dag(
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["sagemaker", "emr", "platform"],
    default_args={
        "deferrable": True,
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2.0,
    },
    params={
        **ENVIRONMENT,
        "platform": Param("deploy", type="string", const="deploy", title="Platform", section="Platform"),
        "allow_replacement": Param(
            False,
            type="boolean",
            title="Allow replacement",
            description="Accept a plan that replaces or deletes the domain, its file system or a bucket. "
            "What they hold is lost.",
            section="Platform",
        ),
    },
)
def deploy_platform() -> None:
    platform()


deploy_platform()
