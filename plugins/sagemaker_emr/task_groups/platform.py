"""The platform's stacks: created, updated or only read, and what they say."""

from __future__ import annotations

import logging
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from airflow.sdk import task, task_group
from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.names import stack_name
from sagemaker_emr.operators.cloud_formation import (
    CloudFormationDeployStackOperator,
    CloudFormationReadOutputsOperator,
)
from sagemaker_emr.operators.s3 import S3StageFilesOperator

STACKS = ("storage", "network", "studio", "catalog")
"""In the order they are created; network does not depend on storage."""

ENVIRONMENT = "{{ params.environment }}"
STACK_TIMEOUT_SECONDS = 45 * 60
PRODUCT_VERSION = "{{ ti.xcom_pull('platform.stage_product', key='product_template_sha256')[:12] }}"
EMR_DEFAULT_ROLES = ("EMR_DefaultRole", "EMR_EC2_DefaultRole")
_EXISTING = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS")


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
    return ["platform.read_account", "platform.deploy_storage", "platform.deploy_network"]


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


@task(retries=3)
def enable_studio_catalog() -> None:
    """Let Studio's "Create cluster" see the account's catalog: a switch of the API, in no template.

    Where a partition lacks it, the platform goes on without.
    """
    sagemaker = AwsGenericHook(client_type="sagemaker").conn
    try:
        if sagemaker.get_sagemaker_servicecatalog_portfolio_status().get("Status") != "Enabled":
            sagemaker.enable_sagemaker_servicecatalog_portfolio()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("UnknownOperationException", "InvalidAction"):
            raise
        logging.getLogger(__name__).warning(
            "Studio can't launch clusters here: %s", error.response["Error"].get("Message")
        )


def _owns_emr_default_roles(catalog_stack: str) -> bool:
    iam = AwsGenericHook(client_type="iam").conn
    found = {role: _found(iam.get_role, RoleName=role) is not None for role in EMR_DEFAULT_ROLES}
    profile = EMR_DEFAULT_ROLES[1]
    found[f"instance profile {profile}"] = (
        _found(iam.get_instance_profile, InstanceProfileName=profile) is not None
    )
    if not any(found.values()):
        return True
    cloudformation = AwsGenericHook(client_type="cloudformation").conn
    declared = _found(
        cloudformation.describe_stack_resource, StackName=catalog_stack, LogicalResourceId="EmrServiceRole"
    )
    # A resource that a rolled back or updated stack only left behind is still listed, as DELETE_SKIPPED.
    if declared and declared["StackResourceDetail"]["ResourceStatus"] in _EXISTING:
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
        # The same whichever DAG deploys: another tag would be a change of every resource.
        tags={"sagemaker-emr:environment": environment},
        allow_replacement=allow_replacement,
        timeout_seconds=STACK_TIMEOUT_SECONDS,
        **kwargs,
    )


@task_group
def platform(
    choices: dict[str, dict[str, Any]] | None = None,
    allow_replacement: str = "False",
    airflow_principal_arn: str = "",
    environment: str = ENVIRONMENT,
) -> CloudFormationReadOutputsOperator:
    """Create or update the stacks where the run asks for it, then read what they say.

    :param choices: parameters of each stack; what is left out stays as it is.
    :param allow_replacement: "True" to accept plans that replace or delete what holds data.
    :param airflow_principal_arn: see :func:`read_account`.
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
    choose_action() >> [account, storage, network, read]
    catalog >> read
    return read
