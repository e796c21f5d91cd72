"""Create or update the platform: VPC, SageMaker Studio and its profiles, Service Catalog and the EMR product.

First a plan of all stacks: what would be added, changed, replaced or removed is in `plan_platform`'s log
before anything runs. A plan that replaces or deletes the domain, its file system or a bucket waits for an
approval (under *Required Actions*; before Airflow 3.1 it fails), unless *Allow replacement* is set. Then each
stack is deployed through a change set, those that don't need each other side by side, and each user profile
as a stack of its own.
At the end the platform is diagnosed as by `check_platform`: what will not work fails the run, with its fix.
A platform without changes passes in seconds, and unless the form says so is not diagnosed again.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Context, dag, task

from sagemaker_emr.airflow_versions import AirflowSkipException
from sagemaker_emr.forms import text_field
from sagemaker_emr.notifications import configured, run_failed
from sagemaker_emr.operators.approval import ask_approval
from sagemaker_emr.operators.platform import PlatformPlanOperator
from sagemaker_emr.operators.platform_check import ADVISORY, CheckPlatformOperator
from sagemaker_emr.operators.sagemaker_domain import (
    SageMakerDeleteUserProfileOperator,
    SageMakerDeployUserProfileOperator,
)
from sagemaker_emr.params import ENVIRONMENT, RETRIES
from sagemaker_emr.platform_form import PLATFORM, stack_choices
from sagemaker_emr.task_groups.platform import platform, tags_of

ENV = "{{ params.environment }}"
PRIVATE_LINK_PREFIX = "{{ ti.xcom_pull('plan_platform', key='private_link_prefix') }}"
ALLOWED = "{{ params.allow_replacement or ti.xcom_pull('approve_plan') is not none }}"


@task.branch
def choose_path(plan: dict[str, Any], **context: Any) -> str | list[str]:
    """Ask, deploy, or go straight to reading an unchanged platform."""
    if plan["losses"] and not context["params"]["allow_replacement"]:
        return "approve_plan"
    if plan["unchanged"]:
        return ["platform.read_platform", "platform.enable_studio_catalog"]
    return "platform.choose_action"


@task
def pick(plan: dict[str, Any], key: str) -> list[str]:
    """A list of the plan, for mapping over."""
    profiles: list[str] = plan[key]
    return profiles


def unless_unchanged(context: Context) -> None:
    """Skip the diagnosis where nothing was changed, or where the form says never. For ``pre_execute``."""
    wanted = context["params"]["check"]
    plan = context["ti"].xcom_pull(task_ids="plan_platform")
    if wanted == "never" or (wanted == "auto" and plan["unchanged"] and plan["same_profiles"]):
        raise AirflowSkipException("Nothing was changed: check_platform diagnoses the platform at any time.")


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
        **PLATFORM,
        "airflow_principal_arn": text_field(
            "",
            pattern=r"^(arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[A-Za-z0-9_+=,.@/-]+)?(?!\n)$",
            allowed="The ARN of an IAM role or user, or nothing.",
            examples=["arn:aws:iam::123456789012:role/airflow"],
            title="Role that runs the chain",
            description="Admitted to the portfolio. Empty: the role or user that runs this deployment.",
            section="Catalog",
        ),
    },
)
def deploy_platform() -> None:
    plan = PlatformPlanOperator(task_id="plan_platform", environment=ENV)
    path = choose_path(plan.output)
    approve_plan = ask_approval(
        task_id="approve_plan",
        subject="Replace or delete what holds data in environment {{ params.environment }}?",
        body="{% for line in ti.xcom_pull('plan_platform', key='losses') %}- {{ line }}\n{% endfor %}\n"
        "What these hold is lost.",
        otherwise="If that is meant, run deploy_platform with 'Allow replacement'. Nothing was changed.",
    )
    choices = stack_choices()
    choices["network"]["PrivateLinkPrefix"] = PRIVATE_LINK_PREFIX
    stacks = platform(choices, ALLOWED, "{{ params.airflow_principal_arn }}")
    deploy_profile = SageMakerDeployUserProfileOperator.partial(
        task_id="deploy_profile", environment=ENV, platform=stacks.output, tags=tags_of(ENV)
    ).expand(profile=pick.override(task_id="profiles_to_deploy")(plan.output, "profiles"))
    remove_profile = SageMakerDeleteUserProfileOperator.partial(
        task_id="remove_profile", environment=ENV, domain_id=stacks.output["DomainId"]
    ).expand(profile=pick.override(task_id="profiles_to_remove")(plan.output, "removed_profiles"))
    stacks >> remove_profile
    choose_action, enable_studio_catalog = (
        stacks.dag.get_task(f"platform.{task_id}") for task_id in ("choose_action", "enable_studio_catalog")
    )
    path >> [approve_plan, choose_action, stacks, enable_studio_catalog]
    approve_plan >> choose_action
    [deploy_profile, remove_profile] >> CheckPlatformOperator(
        task_id="check_platform",
        environment=ENV,
        fail_on_findings=True,
        advisory=ADVISORY,
        trigger_rule="none_failed",
        pre_execute=unless_unchanged,
    )


deploy_platform()
