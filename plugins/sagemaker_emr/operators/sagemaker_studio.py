"""Studio from Airflow: enter it, see what lives in it, empty it, let it launch clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import ApprovalRequired
from sagemaker_emr.hooks.sagemaker_studio import CLASSIC_APP_TYPES, SageMakerStudioHook, owner_of
from sagemaker_emr.links.sagemaker_studio import SageMakerStudioLink
from sagemaker_emr.operators.base import AwsWaitingOperator
from sagemaker_emr.triggers.sagemaker_studio import SageMakerStudioEmptiedTrigger

EMPTY_TIMEOUT_SECONDS = 1800
LACKING = frozenset({"UnknownOperationException", "InvalidAction"})
"""What a Region answers to an operation that it does not have."""


class SageMakerOpenStudioOperator(AwsBaseOperator[SageMakerStudioHook]):
    """Checks that a user profile can be entered, and carries the link *Open Studio*.

    The task makes no presigned URL: the link does, when it is clicked, for whoever may trigger the DAG.

    :return: ``domain_id``, ``user_profile_name``.
    :raises InvalidInput: the domain has no such profile; the reason lists those it has.
    :raises PlatformNotReady: the profile is not InService.
    """

    aws_hook_class = SageMakerStudioHook
    operator_extra_links = (SageMakerStudioLink(),)
    template_fields: Sequence[str] = aws_template_fields("domain_id", "user_profile_name")

    def __init__(self, *, domain_id: str, user_profile_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.domain_id = domain_id
        self.user_profile_name = user_profile_name

    def execute(self, context: Context) -> dict[str, str]:
        where = {"domain_id": self.domain_id, "user_profile_name": self.user_profile_name}
        self.hook.check_user_profile(**where)
        SageMakerStudioLink.persist(
            context=context,
            operator=self,
            region_name=self.hook.conn_region_name,
            aws_partition=self.hook.conn_partition,
            aws_conn_id=self.aws_conn_id,
            verify=self.verify,
            botocore_config=self.botocore_config,
            **where,
        )
        self.log.info(
            "The link Open Studio of this task enters domain %(domain_id)s as %(user_profile_name)s", where
        )
        return where


class SageMakerListStudioOperator(AwsBaseOperator[SageMakerStudioHook]):
    """Lists a domain's user profiles, spaces and apps, those of Studio Classic included.

    :return: ``user_profiles``, ``spaces`` and ``apps``, each a list of what is worth knowing of one.
    """

    aws_hook_class = SageMakerStudioHook
    template_fields: Sequence[str] = aws_template_fields("domain_id")

    def __init__(self, *, domain_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.domain_id = domain_id

    def execute(self, context: Context) -> dict[str, list[dict[str, Any]]]:
        contents = self.hook.contents(self.domain_id)
        listed = {
            "user_profiles": [
                {"name": profile["UserProfileName"], "status": profile["Status"]}
                for profile in contents.user_profiles
            ],
            "spaces": [
                {"name": space["SpaceName"], "owner": owner_of(space), "status": space["Status"]}
                for space in contents.spaces
            ],
            "apps": [
                {
                    "name": app["AppName"],
                    "type": app["AppType"],
                    "of": app.get("SpaceName") or app.get("UserProfileName"),
                    "status": app["Status"],
                    "classic": app["AppType"] in CLASSIC_APP_TYPES,
                }
                for app in contents.apps
            ],
        }
        for kind, entries in listed.items():
            self.log.info("%d %s", len(entries), kind.replace("_", " "))
            for entry in entries:
                self.log.info("  %s", ", ".join(f"{key} {value}" for key, value in entry.items()))
        return listed


class SageMakerDeleteSpacesOperator(AwsWaitingOperator[SageMakerStudioHook]):
    """Deletes a domain's apps and spaces, Studio Classic's apps included; what keeps profiles from going.

    It can be run again from any point.

    :param user_profile_names: only what belongs to these profiles; without it, all of the domain.
    :param delete_spaces: spaces hold files: without it a space refuses the whole operation.
    :param delete_user_profiles: the profiles too. Not for profiles that a stack owns.
    :raises ApprovalRequired: there are spaces and ``delete_spaces`` is not set; nothing was deleted.
    """

    aws_hook_class = SageMakerStudioHook
    template_fields: Sequence[str] = aws_template_fields("domain_id", "user_profile_names", "delete_spaces")

    def __init__(
        self,
        *,
        domain_id: str,
        user_profile_names: list[str] | None = None,
        delete_spaces: bool | str = False,
        delete_user_profiles: bool = False,
        timeout_seconds: float = EMPTY_TIMEOUT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout_seconds=timeout_seconds, **kwargs)
        self.domain_id = domain_id
        self.user_profile_names = user_profile_names
        self.delete_spaces = delete_spaces
        self.delete_user_profiles = delete_user_profiles

    def execute(self, context: Context) -> Any:
        spaces = self.hook.contents(self.domain_id, self.user_profile_names).spaces
        if spaces and str(self.delete_spaces).lower() != "true":
            raise ApprovalRequired(
                f"Domain {self.domain_id} has spaces: "
                + ", ".join(f"{space['SpaceName']} (of {owner_of(space)})" for space in spaces),
                reason="deleting a space deletes the files on its volume",
                next_step="Save what is needed, then run this again with delete_spaces.",
            )
        trigger = SageMakerStudioEmptiedTrigger(
            domain_id=self.domain_id,
            user_profile_names=self.user_profile_names,
            delete_user_profiles=self.delete_user_profiles,
            **self.trigger_parameters,
        )
        return self.wait_for(context, trigger)


class SageMakerEnableServiceCatalogPortfolioOperator(AwsBaseOperator[SageMakerStudioHook]):
    """Switches on, for the account and Region, that Studio launches products of Service Catalog.

    Studio's "Create cluster" needs it (EnableSagemakerServicecatalogPortfolio). Done before is fine; where a
    partition lacks the operation, the platform goes on without.

    :return: whether it was off and is on now.
    """

    aws_hook_class = SageMakerStudioHook
    template_fields: Sequence[str] = aws_template_fields()

    def execute(self, context: Context) -> bool:
        try:
            new: bool = self.hook.enable_servicecatalog_portfolio()
        except ClientError as error:
            if error.response["Error"]["Code"] not in LACKING:
                raise
            self.log.warning("Studio can't launch clusters here: %s", error)
            return False
        self.log.info(
            "SageMaker's Service Catalog portfolio %s", "was switched on" if new else "was on already"
        )
        return new
