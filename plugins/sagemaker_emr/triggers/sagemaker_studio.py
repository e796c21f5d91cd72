"""Empties a Studio domain from the inside out: apps, then spaces, then user profiles."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import SageMakerEmrError
from sagemaker_emr.hooks.sagemaker_studio import (
    APP,
    SPACE,
    USER_PROFILE,
    SageMakerStudioHook,
    StudioKind,
    StudioRemoval,
)
from sagemaker_emr.triggers.base import WaitTrigger


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
        self._deleted_again: set[tuple[str, str]] = set()

    def describe(self) -> str:
        whose = f" of {', '.join(self.user_profile_names)}" if self.user_profile_names is not None else ""
        return f"apps and spaces{whose} in domain {self.domain_id} to go"

    def look(self) -> dict[str, Any] | None:
        contents = self.hook.contents(self.domain_id, self.user_profile_names)
        if contents.apps:
            self._remove(APP, contents.apps)
        elif contents.spaces:
            self._remove(SPACE, contents.spaces)
        elif contents.user_profiles and self.delete_user_profiles:
            self._remove(USER_PROFILE, contents.user_profiles)
        else:
            return {"domain_id": self.domain_id}
        return None

    def _remove(self, kind: StudioKind, entries: list[dict[str, Any]]) -> None:
        told = ", ".join(f"{kind.name(entry)} {entry['Status']}" for entry in entries)
        self.report(f"{kind.noun.replace('_', ' ').capitalize()}s left: {told}")
        for entry in entries:
            removal = kind.states.of(entry["Status"], kind.name(entry)).removal
            if removal is StudioRemoval.DELETE_AGAIN:
                self._count_deletion(kind, entry)
            if removal in (StudioRemoval.DELETE, StudioRemoval.DELETE_AGAIN):
                self._delete(kind, entry)

    def _count_deletion(self, kind: StudioKind, entry: dict[str, Any]) -> None:
        """Its cause may have been removed since it failed, so another deletion is tried, but one only."""
        name = kind.name(entry)
        if (kind.noun, name) in self._deleted_again:
            raise SageMakerEmrError(
                f"The {kind.noun.replace('_', ' ')} {name} of domain {self.domain_id} could not be deleted",
                reason=self.hook.failure_reason(kind, entry),
                next_step="Remove the cause, then clear this task.",
            )
        self._deleted_again.add((kind.noun, name))

    def _delete(self, kind: StudioKind, entry: dict[str, Any]) -> None:
        """SageMaker refuses for a while what was in use a moment ago; the deadline bounds that."""
        try:
            self.hook.delete(kind, entry)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUse":
                raise
            self.report(str(error))
