"""Create or update the platform: VPC, SageMaker Studio and its profiles, Service Catalog and the EMR product.

First a plan of all stacks: what would be added, changed, replaced or removed is in `plan_platform`'s log
before anything runs. A plan that replaces or deletes the domain, its file system or a bucket waits for an
approval (under *Required Actions*), unless *Allow replacement* is set. Then each stack is deployed through a
change set, those that don't need each other side by side, and each user profile as a stack of its own.
A platform without changes passes in seconds.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, dag, task

from sagemaker_emr.operators.platform import PlatformPlanOperator
from sagemaker_emr.operators.sagemaker_domain import (
    SageMakerDeleteUserProfileOperator,
    SageMakerDeployUserProfileOperator,
)
from sagemaker_emr.params import ENVIRONMENT, RETRIES
from sagemaker_emr.platform_form import PLATFORM, stack_choices
from sagemaker_emr.task_groups.platform import enable_studio_catalog, platform

ENV = "{{ params.environment }}"
TAGS = {"sagemaker-emr:environment": ENV}
PRIVATE_LINK_PREFIX = "{{ ti.xcom_pull('plan_platform', key='private_link_prefix') }}"
ALLOWED = "{{ params.allow_replacement or ti.xcom_pull('approve_plan') is not none }}"


@task.branch
def choose_path(plan: dict[str, Any], **context: Any) -> str:
    """Ask, deploy, or go straight to reading an unchanged platform."""
    if plan["losses"] and not context["params"]["allow_replacement"]:
        return "approve_plan"
    return "platform.read_platform" if plan["unchanged"] else "platform.choose_action"


@task
def pick(plan: dict[str, Any], key: str) -> list[str]:
    """A list of the plan, for mapping over."""
    profiles: list[str] = plan[key]
    return profiles


@dag(
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["sagemaker", "emr", "platform"],
    default_args={**RETRIES, "deferrable": True},
    params={
        **ENVIRONMENT,
        **PLATFORM,
        "airflow_principal_arn": Param(
            "",
            type="string",
            pattern=r"^(arn:[a-z-]+:iam::[0-9]{12}:(role|user)/.+)?$",
            title="Role that runs the chain",
            description="Admitted to the portfolio. Empty: the role or user that runs this deployment.",
            section="Catalog",
        ),
    },
)
def deploy_platform() -> None:
    plan = PlatformPlanOperator(task_id="plan_platform", environment=ENV)
    path = choose_path(plan.output)
    approve_plan = ApprovalOperator(
        task_id="approve_plan",
        subject="Replace or delete what holds data in environment {{ params.environment }}?",
        body="{% for line in ti.xcom_pull('plan_platform', key='losses') %}- {{ line }}\n{% endfor %}\n"
        "What these hold is lost.",
        fail_on_reject=True,
        retries=0,
    )
    choices = stack_choices()
    choices["network"]["PrivateLinkPrefix"] = PRIVATE_LINK_PREFIX
    stacks = platform(choices, ALLOWED, "{{ params.airflow_principal_arn }}")
    SageMakerDeployUserProfileOperator.partial(
        task_id="deploy_profile", environment=ENV, platform=stacks.output, tags=TAGS
    ).expand(profile=pick.override(task_id="profiles_to_deploy")(plan.output, "profiles"))
    remove_profile = SageMakerDeleteUserProfileOperator.partial(
        task_id="remove_profile", environment=ENV, domain_id=stacks.output["DomainId"]
    ).expand(profile=pick.override(task_id="profiles_to_remove")(plan.output, "removed_profiles"))
    stacks >> [enable_studio_catalog(), remove_profile]
    choose_action = stacks.dag.get_task("platform.choose_action")
    path >> [approve_plan, choose_action, stacks]
    approve_plan >> choose_action


deploy_platform()
