"""User profiles, each a stack of its own, and the way a Studio domain goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context

from sagemaker_emr.hooks.base import AwsHook
from sagemaker_emr.hooks.cloud_formation import CloudFormationHook
from sagemaker_emr.hooks.sagemaker_studio import SageMakerStudioHook
from sagemaker_emr.names import stack_name
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.operators.cloud_formation import (
    CloudFormationDeleteStackOperator,
    CloudFormationDeployStackOperator,
)
from sagemaker_emr.operators.sagemaker_studio import EMPTY_TIMEOUT_SECONDS
from sagemaker_emr.platform_form import profile_of
from sagemaker_emr.triggers.sagemaker_domain import SageMakerDomainLeftoversTrigger
from sagemaker_emr.triggers.sagemaker_studio import SageMakerStudioEmptiedTrigger

DOMAIN_TYPE = "AWS::SageMaker::Domain"


def profile_stack(environment: str, profile: str) -> str:
    """The stack of a user profile."""
    return stack_name(environment, f"profile-{profile}")


class SageMakerDeployUserProfileOperator(CloudFormationDeployStackOperator):
    """Brings the stack of one user profile to ``user_profile.yaml``. Made to be mapped over profiles.

    :param profile: ``NAME``, or ``NAME=ROLE-ARN`` for a user with a role of its own.
    :param platform: the platform's outputs.
    """

    template_fields: Sequence[str] = (
        *CloudFormationDeployStackOperator.template_fields,
        "environment",
        "profile",
        "platform",
    )

    def __init__(self, *, environment: str, profile: str, platform: dict[str, str], **kwargs: Any) -> None:
        super().__init__(stack_name="", template="cfn/user_profile.yaml", **kwargs)
        self.environment = environment
        self.profile = profile
        self.platform = platform

    def _next_step(self, context: Context) -> Any:
        name, own_role = profile_of(self.profile)
        self.stack_name = profile_stack(self.environment, name)
        self.parameters = {
            "Environment": self.environment,
            "UserProfileName": name,
            "DomainId": self.platform["DomainId"],
            "ExecutionRoleArn": own_role or self.platform["ExecutionRoleArn"],
            "PortfolioId": self.platform["PortfolioId"] if own_role else "",
        }
        return super()._next_step(context)

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        self.stack_name = profile_stack(self.environment, profile_of(self.profile)[0])
        return super().complete(context, result)


class SageMakerDeployFirstUserProfileOperator(SageMakerDeployUserProfileOperator):
    """Gives a domain that has no user profile its first one; a domain with profiles stays as it is."""

    def execute(self, context: Context) -> Any:
        sagemaker = AwsHook(**{**self._hook_parameters, "client_type": "sagemaker"}).conn
        found = sagemaker.list_user_profiles(DomainIdEquals=self.platform["DomainId"])["UserProfiles"]
        usable = [profile["UserProfileName"] for profile in found if profile["Status"] != "Failed"]
        if usable:
            self.log.info("The domain has user profiles: %s", ", ".join(usable))
            return None
        return super().execute(context)


class SageMakerDeleteUserProfileOperator(CloudFormationDeleteStackOperator):
    """Removes one user profile: its apps, its spaces, then its stack. Made to be mapped over profiles."""

    template_fields: Sequence[str] = (
        *CloudFormationDeleteStackOperator.template_fields,
        "environment",
        "profile",
        "domain_id",
    )

    def __init__(self, *, environment: str, profile: str, domain_id: str, **kwargs: Any) -> None:
        super().__init__(stack_name="", **kwargs)
        self.environment = environment
        self.profile = profile
        self.domain_id = domain_id

    def execute(self, context: Context) -> Any:
        trigger = SageMakerStudioEmptiedTrigger(
            domain_id=self.domain_id, user_profile_names=[self.profile], **self.trigger_parameters
        )
        return self.wait_for(context, trigger, {"then": "emptied"})

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        self.stack_name = profile_stack(self.environment, self.profile)
        if result["then"] == "emptied":
            return self._delete(context)
        return super().complete(context, result)


class SageMakerEmptyDomainOperator(AwsWaitingOperator[SageMakerStudioHook]):
    """Deletes every app, space and user profile of an environment's domain; no domain is fine.

    :param environment: the environment; its domain is what its studio stack says.
    """

    aws_hook_class = SageMakerStudioHook
    template_fields: Sequence[str] = aws_template_fields("environment")

    def __init__(
        self, *, environment: str, timeout_seconds: float = EMPTY_TIMEOUT_SECONDS, **kwargs: Any
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, **kwargs)
        self.environment = environment

    def execute(self, context: Context) -> Any:
        stacks = CloudFormationHook(**self._hook_parameters)
        name = stack_name(self.environment, "studio")
        domain_ids = stacks.physical_ids(name, DOMAIN_TYPE) if stacks.describe_stack(name) else []
        alive = [found for found in domain_ids if self.hook.find_domain(found)]
        if not alive:
            self.log.info("Environment %s has no domain", self.environment)
            return None
        self.log.info("Emptying domain %s", alive[0])
        trigger = SageMakerStudioEmptiedTrigger(
            domain_id=alive[0], delete_user_profiles=True, **self.trigger_parameters
        )
        return self.wait_for(context, trigger)


class SageMakerRemoveDomainLeftoversOperator(AwsWaitingOperator[SageMakerStudioHook]):
    """Deletes what the environment's deleted domains left in the VPC, which could not be deleted otherwise.

    Mount targets, network interfaces and SageMaker's two groups go; the home file system only when asked.
    The domains are read from the studio stacks, deleted ones included, so it can be run again at any time.

    :param delete_file_system: delete the users' home files; they can't be restored.
    :return: the file systems kept.
    """

    aws_hook_class = SageMakerStudioHook
    template_fields: Sequence[str] = aws_template_fields("environment", "delete_file_system")

    def __init__(
        self,
        *,
        environment: str,
        delete_file_system: bool | str = False,
        timeout_seconds: float = EMPTY_TIMEOUT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, **kwargs)
        self.environment = environment
        self.delete_file_system = delete_file_system

    def execute(self, context: Context) -> Any:
        stacks = CloudFormationHook(**self._hook_parameters)
        domains = set(stacks.physical_ids(stack_name(self.environment, "studio"), DOMAIN_TYPE))
        kept: list[str] = []
        for domain_id in sorted(domains):
            if self.hook.find_domain(domain_id):
                self.log.info("Domain %s exists: what it uses stays", domain_id)
                continue
            trigger = SageMakerDomainLeftoversTrigger(
                domain_id=domain_id,
                delete_files=str(self.delete_file_system).lower() == "true",
                **self.trigger_parameters,
            )
            # Mount targets go within a minute or two: waited for here, one domain after the other.
            kept += (trigger.look_tolerantly() or trigger.wait())["kept"]
        return kept
