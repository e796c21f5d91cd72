"""The platform's stacks: created, updated or only read, and what they say."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task, task_group
from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.base import AwsHook
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.names import stack_name
from sagemaker_emr.operators.cloud_formation import (
    CloudFormationDeployStackOperator,
    CloudFormationReadOutputsOperator,
)
from sagemaker_emr.operators.s3 import S3StageFilesOperator
from sagemaker_emr.operators.sagemaker_domain import SageMakerDeployFirstUserProfileOperator
from sagemaker_emr.operators.sagemaker_studio import SageMakerEnableServiceCatalogPortfolioOperator

STACKS = ("storage", "network", "studio", "catalog")
"""In the order they are created; network does not depend on storage."""

ENVIRONMENT = "{{ params.environment }}"
STACK_TIMEOUT_SECONDS = 45 * 60
PRODUCT_VERSION = "{{ ti.xcom_pull('platform.stage_product', key='product_template_sha256')[:12] }}"
EMR_DEFAULT_ROLES = ("EMR_DefaultRole", "EMR_EC2_DefaultRole")
EMR_DEFAULT_RESOURCES = ("EmrServiceRole", "EmrInstanceRole", "EmrInstanceProfile")
"""What the catalog stack calls them."""
_NOT_OWNED = ("CREATE_FAILED", "DELETE_COMPLETE", "DELETE_SKIPPED")
"""Never made because somebody else's is there, or gone, or left behind by a rollback or an update."""


def tags_of(environment: str) -> dict[str, str]:
    """The same whichever DAG deploys: another tag would be a change of every resource."""
    return {"sagemaker-emr:environment": environment}


def choose_platform_action(action: str, run_type: str) -> str:
    """Whether a run deploys the platform: ``auto`` deploys in manual runs and verifies in all others."""
    if action != "auto":
        return action
    return "deploy" if run_type == "manual" else "verify"


@task.branch(trigger_rule="none_failed_min_one_success")
def choose_action(**context: Any) -> list[str]:
    """Deploy the stacks or go straight to reading them."""
    dag_run = context["dag_run"]
    run_type = getattr(dag_run.run_type, "value", dag_run.run_type)
    if choose_platform_action(context["params"].get("platform", "deploy"), run_type) == "verify":
        return ["platform.read_platform"]
    first = ("read_account", "deploy_storage", "deploy_network", "enable_studio_catalog")
    return [f"platform.{task_id}" for task_id in first]


@task(multiple_outputs=True, retries=3)
def read_account(catalog_stack: str, airflow_principal_arn: str = "") -> dict[str, str]:
    """What the catalog must know of the account: who launches, and whether EMR's default roles exist.

    :param airflow_principal_arn: the role or user that runs the chain, where it is not the one that deploys.

    The roles are created by the first catalog stack of an account and kept for ever. The stack that owns
    them goes on declaring them, any other uses them as they are.
    """
    return {
        "airflow_principal_arn": airflow_principal_arn or ServiceCatalogHook().caller_principal_arn(),
        "create_emr_default_roles": "true" if _owns_emr_default_roles(catalog_stack) else "false",
    }


def _owns_emr_default_roles(catalog_stack: str) -> bool:
    iam = AwsHook(client_type="iam").conn
    found = {role: _found(iam.get_role, RoleName=role) is not None for role in EMR_DEFAULT_ROLES}
    profile = EMR_DEFAULT_ROLES[1]
    found[f"instance profile {profile}"] = (
        _found(iam.get_instance_profile, InstanceProfileName=profile) is not None
    )
    if not any(found.values()):
        return True
    # Also while the stack is being made or rolled back, when a part of them is there.
    cloudformation = AwsHook(client_type="cloudformation").conn
    listed = _found(cloudformation.describe_stack_resources, StackName=catalog_stack) or {}
    if any(
        resource["LogicalResourceId"] in EMR_DEFAULT_RESOURCES
        and resource["ResourceStatus"] not in _NOT_OWNED
        for resource in listed.get("StackResources", [])
    ):
        return True
    missing = [name for name, there in found.items() if not there]
    if missing:
        raise InvalidInput(
            "This account has a part of EMR's default roles only",
            reason=f"missing: {', '.join(missing)}",
            next_step="Run `aws emr create-default-roles`, which completes them, then clear this task.",
        )
    return False


def _found(describe: Any, **arguments: str) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = describe(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchEntity", "ValidationError"):
            return None
        raise
    return answer


def _deploy(
    environment: str, stack: str, parameters: dict[str, Any], allow_replacement: str, **kwargs: Any
) -> CloudFormationDeployStackOperator:
    return CloudFormationDeployStackOperator(
        task_id=f"deploy_{stack}",
        stack_name=stack_name(environment, stack),
        template=f"cfn/{stack}.yaml",
        parameters={"Environment": environment, **parameters},
        tags=tags_of(environment),
        allow_replacement=allow_replacement,
        timeout_seconds=STACK_TIMEOUT_SECONDS,
        **kwargs,
    )


@task_group
def platform(
    choices: dict[str, dict[str, Any]] | None = None,
    allow_replacement: str = "False",
    airflow_principal_arn: str = "",
    first_profile: str | None = None,
    environment: str = ENVIRONMENT,
) -> CloudFormationReadOutputsOperator:
    """Create or update the stacks where the run asks for it, then read what they say.

    :param choices: parameters of each stack; what is left out stays as it is.
    :param allow_replacement: "True" to accept plans that replace or delete what holds data.
    :param airflow_principal_arn: see :func:`read_account`.
    :param first_profile: a user profile for a domain that has none, since nobody could enter it.
    :param environment: a template; by default the form's field.
    :return: the task whose output holds all outputs of all stacks, by name.
    """

    def deploy(stack: str, parameters: dict[str, Any], **kwargs: Any) -> CloudFormationDeployStackOperator:
        chosen = (choices or {}).get(stack, {})
        return _deploy(environment, stack, {**chosen, **parameters}, allow_replacement, **kwargs)

    account: Any = read_account(stack_name(environment, "catalog"), airflow_principal_arn)
    storage = deploy("storage", {})
    network = deploy("network", {})
    stage = S3StageFilesOperator(
        task_id="stage_product",
        bucket=storage.output["ArtifactsBucket"],
        files={
            "bootstrap_script": "bootstrap/installpylibs.sh",
            "product_template": "cfn/emr_product.yaml",
        },
        substitutions={"environment": environment},
    )
    studio = deploy(
        "studio",
        {
            "VpcId": network.output["VpcId"],
            "PrivateSubnetId": network.output["PrivateSubnetId"],
            "StudioSecurityGroupId": network.output["StudioSecurityGroupId"],
            "RawBucket": storage.output["RawBucket"],
            "FeaturesBucket": storage.output["FeaturesBucket"],
            "ArtifactsBucket": storage.output["ArtifactsBucket"],
        },
    )
    catalog = deploy(
        "catalog",
        {
            "ProductTemplateUrl": stage.output["product_template_url"],
            "ProductVersion": PRODUCT_VERSION,
            "ArtifactsBucket": storage.output["ArtifactsBucket"],
            "ExecutionRoleArn": studio.output["ExecutionRoleArn"],
            "AirflowPrincipalArn": account["airflow_principal_arn"],
            "CreateEmrDefaultRoles": account["create_emr_default_roles"],
        },
        carry_over={
            "PreviousProductTemplateUrl": "ProductTemplateUrl",
            "PreviousProductVersion": "ProductVersion",
        },
    )
    read = CloudFormationReadOutputsOperator(
        task_id="read_platform",
        environment=environment,
        stacks=list(STACKS),
        trigger_rule="none_failed_min_one_success",
    )
    enable_studio_catalog = SageMakerEnableServiceCatalogPortfolioOperator(
        task_id="enable_studio_catalog", trigger_rule="none_failed_min_one_success"
    )
    choose_action() >> [account, storage, network, enable_studio_catalog, read]
    [catalog, enable_studio_catalog] >> read
    if first_profile:
        read << SageMakerDeployFirstUserProfileOperator(
            task_id="deploy_first_profile",
            environment=environment,
            profile=first_profile,
            platform={
                "DomainId": studio.output["DomainId"],
                "ExecutionRoleArn": studio.output["ExecutionRoleArn"],
            },
            tags=tags_of(environment),
        )
    return read
