"""SageMaker Studio: entering a domain, what lives in it, and what must go before something else can."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import InvalidInput, PlatformNotReady
from sagemaker_emr.hooks.sagemaker import SageMakerHook, is_missing
from sagemaker_emr.states import StateTable

ENTER_SECONDS = 60
"""A URL is used at once by whoever asked for it; CreatePresignedDomainUrl takes 5 to 300."""

CLASSIC_APP_TYPES = frozenset({"JupyterServer", "KernelGateway"})
"""Apps of Studio Classic, which AWS no longer opens to new domains; they run for profiles, not in spaces."""


class StudioNeed(StrEnum):
    """What a domain or a user profile in some state needs; words that complete "it …"."""

    NONE = "can be used"
    COMING = "is being created: wait until it is InService"
    GOING = "is being deleted: wait until it is gone, then run deploy_platform"
    FAILED = "was never usable: run deploy_platform, which makes it again once its stack is deleted"
    NOT_UPDATED = "kept its former settings: remove the cause, then run deploy_platform with a change to it"
    HELD = "could not be deleted: remove what holds on, then run destroy_platform again"


class StudioRemoval(StrEnum):
    """What is done, in some state, with what lives in a domain that is being emptied."""

    DELETE = "it is deleted"
    WAIT = "its change is waited for: it can't be deleted yet, or is being deleted"
    DELETE_AGAIN = "an earlier deletion failed: it is deleted once more"
    NOTHING = "it is gone"


@dataclass(frozen=True)
class StudioState:
    """What one state means: to whoever empties the domain, and to whoever uses what is in that state."""

    removal: StudioRemoval
    need: StudioNeed = StudioNeed.NONE


_STATES = {
    "Deleting": StudioState(StudioRemoval.WAIT, StudioNeed.GOING),
    "Failed": StudioState(StudioRemoval.DELETE, StudioNeed.FAILED),
    "InService": StudioState(StudioRemoval.DELETE),
    "Pending": StudioState(StudioRemoval.WAIT, StudioNeed.COMING),
    "Updating": StudioState(StudioRemoval.WAIT),
    "Update_Failed": StudioState(StudioRemoval.DELETE, StudioNeed.NOT_UPDATED),
    "Delete_Failed": StudioState(StudioRemoval.DELETE_AGAIN, StudioNeed.HELD),
}
DOMAIN_STATES = StateTable("domain", "sagemaker", "DomainStatus", _STATES)
USER_PROFILE_STATES = StateTable("user profile", "sagemaker", "UserProfileStatus", _STATES)
SPACE_STATES = StateTable("space", "sagemaker", "SpaceStatus", _STATES)
APP_STATES = StateTable(
    "app",
    "sagemaker",
    "AppStatus",
    {
        "Deleted": StudioState(StudioRemoval.NOTHING, StudioNeed.GOING),
        **{state: _STATES[state] for state in ("Deleting", "Failed", "InService", "Pending")},
    },
)
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeDomain.html, and likewise of
user profiles, spaces and apps.
"""

GONE_STATES = APP_STATES.where(lambda state: state.removal is StudioRemoval.NOTHING)
"""ListApps goes on showing a deleted app for a day."""


@dataclass(frozen=True)
class StudioKind:
    """One kind of what lives in a domain.

    :param noun: as the operations of that kind have it: ``user_profile``.
    :param key: the members that identify one, of those that its List operation answers.
    """

    noun: str
    states: StateTable[StudioState]
    key: tuple[str, ...]

    def name(self, entry: dict[str, Any]) -> str:
        """The last part of an entry's key, which is its name."""
        name: str = entry[self.key[-1]]
        return name

    def request(self, entry: dict[str, Any]) -> dict[str, str]:
        """What a Describe or Delete operation takes for an entry."""
        return {name: entry[name] for name in self.key if entry.get(name)}


APP = StudioKind("app", APP_STATES, ("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName"))
SPACE = StudioKind("space", SPACE_STATES, ("DomainId", "SpaceName"))
USER_PROFILE = StudioKind("user_profile", USER_PROFILE_STATES, ("DomainId", "UserProfileName"))


@dataclass
class StudioContents:
    """What lives in a domain, or belongs to some of its user profiles; deleted apps are left out.

    Each entry is as the List operations answer it.
    """

    apps: list[dict[str, Any]] = field(default_factory=list)
    spaces: list[dict[str, Any]] = field(default_factory=list)
    user_profiles: list[dict[str, Any]] = field(default_factory=list)


class SageMakerStudioHook(SageMakerHook):
    """Domains, user profiles, spaces and apps."""

    def presigned_url(
        self, domain_id: str, user_profile_name: str, expires_in_seconds: int = ENTER_SECONDS
    ) -> str:
        """A URL that lets its bearer into Studio as the profile: never to be stored or logged.

        :raises InvalidInput: the domain has no such profile.
        """
        try:
            with _answers_unlogged():
                answer = self.conn.create_presigned_domain_url(
                    DomainId=domain_id, UserProfileName=user_profile_name, ExpiresInSeconds=expires_in_seconds
                )
        except ClientError as error:
            if is_missing(error):
                raise self._no_such_profile(domain_id, user_profile_name, error) from error
            raise
        url: str = answer["AuthorizedUrl"]
        return url

    def find_domain(self, domain_id: str) -> dict[str, Any] | None:
        """DescribeDomain, or None."""
        return self.find("describe_domain", DomainId=domain_id)

    def check_user_profile(self, domain_id: str, user_profile_name: str) -> dict[str, Any]:
        """DescribeUserProfile of a profile that can be entered.

        :raises InvalidInput: the domain has no such profile.
        :raises PlatformNotReady: its state is one in which it can't be used.
        """
        try:
            profile: dict[str, Any] = self.conn.describe_user_profile(
                DomainId=domain_id, UserProfileName=user_profile_name
            )
        except ClientError as error:
            if is_missing(error):
                raise self._no_such_profile(domain_id, user_profile_name, error) from error
            raise
        need = USER_PROFILE_STATES.of(profile["Status"], user_profile_name).need
        if need is not StudioNeed.NONE:
            raise PlatformNotReady(
                f"User profile {user_profile_name} of domain {domain_id} is {profile['Status']}",
                reason=profile.get("FailureReason"),
                next_step=f"It {need}.",
            )
        return profile

    def contents(self, domain_id: str, user_profile_names: Collection[str] | None = None) -> StudioContents:
        """What lives in a domain.

        :param user_profile_names: only these profiles, their apps, and the spaces that they own.
        """
        profiles = self._list("list_user_profiles", "UserProfiles", domain_id)
        spaces = self._list("list_spaces", "Spaces", domain_id)
        apps = [app for app in self._list("list_apps", "Apps", domain_id) if app["Status"] not in GONE_STATES]
        if user_profile_names is None:
            return StudioContents(apps, spaces, profiles)
        own = [space for space in spaces if owner_of(space) in user_profile_names]
        names = {space["SpaceName"] for space in own}
        return StudioContents(
            [
                app
                for app in apps
                if app.get("SpaceName") in names or app.get("UserProfileName") in user_profile_names
            ],
            own,
            [profile for profile in profiles if profile["UserProfileName"] in user_profile_names],
        )

    def delete(self, kind: StudioKind, entry: dict[str, Any]) -> None:
        """Delete what a List operation answered; what is gone is fine. A space's files go with it."""
        try:
            getattr(self.conn, f"delete_{kind.noun}")(**kind.request(entry))
        except ClientError as error:
            if not is_missing(error):
                raise

    def failure_reason(self, kind: StudioKind, entry: dict[str, Any]) -> str | None:
        """Why an entry is in a failed state."""
        found = self.find(f"describe_{kind.noun}", **kind.request(entry))
        return found.get("FailureReason") if found else None

    def enable_servicecatalog_portfolio(self) -> bool:
        """Let Studio launch products of Service Catalog ("Create cluster"); whether it could not before."""
        if self.conn.get_sagemaker_servicecatalog_portfolio_status().get("Status") == "Enabled":
            return False
        self.conn.enable_sagemaker_servicecatalog_portfolio()
        return True

    def user_profiles(self, domain_id: str) -> list[dict[str, Any]]:
        """ListUserProfiles of one domain: names and states."""
        return self._list("list_user_profiles", "UserProfiles", domain_id)

    def _list(self, operation: str, key: str, domain_id: str) -> list[dict[str, Any]]:
        paginator = self.conn.get_paginator(operation)
        pages: Iterable[dict[str, Any]] = paginator.paginate(DomainIdEquals=domain_id)
        return [entry for page in pages for entry in page[key]]

    def _no_such_profile(self, domain_id: str, name: str, error: ClientError) -> InvalidInput:
        found = self._list("list_user_profiles", "UserProfiles", domain_id)
        known = ", ".join(sorted(profile["UserProfileName"] for profile in found))
        return InvalidInput(
            f"Domain {domain_id} has no user profile {name}",
            reason=f"{error}; its profiles: {known or 'none'}",
            next_step="Choose one of them, or add the profile with deploy_platform.",
        )


@contextmanager
def _answers_unlogged() -> Iterator[None]:
    """Keep botocore from writing answers to the log, as its parsers do at level DEBUG."""
    parsers = logging.getLogger("botocore.parsers")

    def refuse(record: logging.LogRecord) -> bool:
        return False

    parsers.addFilter(refuse)
    try:
        yield
    finally:
        parsers.removeFilter(refuse)


def owner_of(space: dict[str, Any]) -> str | None:
    """The user profile that owns a space; spaces made before ownership existed have none."""
    owner: str | None = space.get("OwnershipSettingsSummary", {}).get("OwnerUserProfileName")
    return owner
