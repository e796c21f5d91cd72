"""SageMaker Studio: entering a domain, what lives in it, and what must go before something else can."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from botocore.exceptions import ClientError

from sagemaker_emr.exceptions import InvalidInput, PlatformNotReady
from sagemaker_emr.hooks.sagemaker import SageMakerHook, is_missing

ENTER_SECONDS = 60
"""A URL is used at once by whoever asked for it; CreatePresignedDomainUrl takes 5 to 300."""

CLASSIC_APP_TYPES = frozenset({"JupyterServer", "KernelGateway"})
"""Apps of Studio Classic, which AWS no longer opens to new domains; they run for profiles, not in spaces."""

GONE = "Deleted"
"""An app's last status: ListApps goes on showing it for a day."""


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

    def check_user_profile(self, domain_id: str, user_profile_name: str) -> dict[str, Any]:
        """DescribeUserProfile of a profile that can be entered.

        :raises InvalidInput: the domain has no such profile.
        :raises PlatformNotReady: it is in another state than InService.
        """
        try:
            profile: dict[str, Any] = self.conn.describe_user_profile(
                DomainId=domain_id, UserProfileName=user_profile_name
            )
        except ClientError as error:
            if is_missing(error):
                raise self._no_such_profile(domain_id, user_profile_name, error) from error
            raise
        if profile["Status"] != "InService":
            raise PlatformNotReady(
                f"User profile {user_profile_name} of domain {domain_id} is {profile['Status']}",
                reason=profile.get("FailureReason"),
                next_step="Wait until it is InService, or run deploy_platform.",
            )
        return profile

    def contents(self, domain_id: str, user_profile_names: Collection[str] | None = None) -> StudioContents:
        """What lives in a domain.

        :param user_profile_names: only these profiles, their apps, and the spaces that they own.
        """
        profiles = self._list("list_user_profiles", "UserProfiles", domain_id)
        spaces = self._list("list_spaces", "Spaces", domain_id)
        apps = [app for app in self._list("list_apps", "Apps", domain_id) if app["Status"] != GONE]
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

    def delete_app(self, app: dict[str, Any]) -> None:
        """DeleteApp, for an entry of ListApps; one that is gone is fine."""
        members = ("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName")
        self._delete("delete_app", **{name: app[name] for name in members if app.get(name)})

    def delete_space(self, domain_id: str, name: str) -> None:
        """DeleteSpace, which deletes a private space's files too; one that is gone is fine."""
        self._delete("delete_space", DomainId=domain_id, SpaceName=name)

    def delete_user_profile(self, domain_id: str, name: str) -> None:
        """DeleteUserProfile; one that is gone is fine."""
        self._delete("delete_user_profile", DomainId=domain_id, UserProfileName=name)

    def failure_reason(self, kind: Literal["space", "user_profile"], domain_id: str, name: str) -> str | None:
        """Why a space or a user profile is in a failed state."""
        key = {"space": "SpaceName", "user_profile": "UserProfileName"}[kind]
        found = self.find(f"describe_{kind}", DomainId=domain_id, **{key: name})
        return found.get("FailureReason") if found else None

    def enable_servicecatalog_portfolio(self) -> bool:
        """Let Studio launch products of Service Catalog ("Create cluster"); whether it could not before."""
        if self.conn.get_sagemaker_servicecatalog_portfolio_status().get("Status") == "Enabled":
            return False
        self.conn.enable_sagemaker_servicecatalog_portfolio()
        return True

    def _list(self, operation: str, key: str, domain_id: str) -> list[dict[str, Any]]:
        paginator = self.conn.get_paginator(operation)
        pages: Iterable[dict[str, Any]] = paginator.paginate(DomainIdEquals=domain_id)
        return [entry for page in pages for entry in page[key]]

    def _delete(self, operation: str, **key: str) -> None:
        try:
            getattr(self.conn, operation)(**key)
        except ClientError as error:
            if not is_missing(error):
                raise

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
