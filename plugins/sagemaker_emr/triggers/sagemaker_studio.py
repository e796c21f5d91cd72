"""Empties a Studio domain from the inside out: apps, then spaces, then user profiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import SageMakerEmrError
from sagemaker_emr.hooks.sagemaker_studio import SageMakerStudioHook
from sagemaker_emr.triggers.base import WaitTrigger

CHANGING_STATUSES = frozenset({"Pending", "Updating", "Deleting"})
"""Waited for: what changes can't be deleted, and what is being deleted need not be."""


class SageMakerStudioEmptiedTrigger(WaitTrigger):
    """Deletes what is left at each look, and ends when nothing is; so it can start from any point.

    :param user_profile_names: only what belongs to these profiles; all of the domain without it.
    :param delete_user_profiles: the profiles too, once nothing of theirs is left.
    """

    hook_class = SageMakerStudioHook

    def __init__(
        self,
        *,
        domain_id: str,
        user_profile_names: list[str] | None = None,
        delete_user_profiles: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.domain_id = domain_id
        self.user_profile_names = user_profile_names
        self.delete_user_profiles = delete_user_profiles

    def describe(self) -> str:
        whose = f" of {', '.join(self.user_profile_names)}" if self.user_profile_names is not None else ""
        return f"apps and spaces{whose} in domain {self.domain_id} to go"

    def look(self) -> dict[str, Any] | None:
        hook: SageMakerStudioHook = self.hook
        contents = hook.contents(self.domain_id, self.user_profile_names)
        if contents.apps:
            self._delete("app", contents.apps, "AppName", hook.delete_app)
        elif contents.spaces:
            self._delete("space", contents.spaces, "SpaceName", self._delete_space)
        elif contents.user_profiles and self.delete_user_profiles:
            self._delete("user_profile", contents.user_profiles, "UserProfileName", self._delete_profile)
        else:
            return {"domain_id": self.domain_id}
        return None

    def _delete(
        self,
        kind: Literal["app", "space", "user_profile"],
        entries: list[dict[str, Any]],
        key: str,
        delete: Callable[[dict[str, Any]], None],
    ) -> None:
        told = ", ".join(f"{entry[key]} {entry['Status']}" for entry in entries)
        self.report(f"{kind.replace('_', ' ').capitalize()}s left: {told}")
        for entry in entries:
            if entry["Status"] == "Delete_Failed":
                raise self._failed(kind, entry[key])
            if entry["Status"] not in CHANGING_STATUSES:
                self._try(delete, entry)

    def _failed(self, kind: str, name: str) -> SageMakerEmrError:
        named: Any = kind
        return SageMakerEmrError(
            f"The {kind.replace('_', ' ')} {name} of domain {self.domain_id} could not be deleted",
            reason=self.hook.failure_reason(named, self.domain_id, name),
            next_step="Remove the cause, delete it in the console, then clear this task.",
        )

    def _try(self, delete: Callable[[dict[str, Any]], None], entry: dict[str, Any]) -> None:
        """SageMaker refuses for a while what was in use a moment ago; the deadline bounds that."""
        try:
            delete(entry)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUse":
                raise
            self.report(str(error))

    def _delete_space(self, space: dict[str, Any]) -> None:
        self.hook.delete_space(self.domain_id, space["SpaceName"])

    def _delete_profile(self, profile: dict[str, Any]) -> None:
        self.hook.delete_user_profile(self.domain_id, profile["UserProfileName"])
