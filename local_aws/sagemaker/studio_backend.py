"""State of Studio: domains and what lives in them, deletable only from the inside out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.sagemaker.exceptions import ResourceInUseException, ResourceNotFound, ValidationError
from moto.sagemaker.utils import arn_formatter

from local_aws.sagemaker.roles import check_role
from local_aws.sagemaker.studio_members import (
    APP_DELETING_SECONDS,
    DOMAIN_DELETING_SECONDS,
    DOMAIN_UPDATING_SECONDS,
    PROFILE_SECONDS,
    SPACE_SECONDS,
    App,
    Space,
    StudioDomain,
    UserProfile,
)

SPACE_APPS = frozenset({"JupyterLab", "CodeEditor"})
PROFILE_APPS = frozenset({"JupyterServer", "KernelGateway"})

Tags = list[dict[str, str]]


class _Presigned(dict[str, tuple[UserProfile, float]]):
    """Tokens, and whom each lets in until when. In memory alone: on a disk they would be a way in."""

    def __reduce__(self) -> tuple[type[_Presigned], tuple[()]]:
        return _Presigned, ()


class StudioBackend:
    """A mixin for moto's backend, whose ``domains`` it fills with its own kind of domain."""

    account_id: str
    region_name: str
    domains: dict[str, StudioDomain]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)  # type: ignore[call-arg]
        self.user_profiles: dict[tuple[str, str], UserProfile] = {}
        self.spaces: dict[tuple[str, str], Space] = {}
        self.apps: dict[str, App] = {}
        self.presigned = _Presigned()
        self.servicecatalog_portfolio_enabled = False

    def settle(self) -> None:
        """Forget what has finished deleting."""
        everything: tuple[dict[Any, Any], ...] = (self.user_profiles, self.spaces, self.domains)
        for members in everything:
            for key, member in list(members.items()):
                if member.lifecycle.gone:
                    members.pop(key, None)

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        """What the Resource Groups Tagging API lists: moto knows domains, but not what lives in them."""
        self.settle()
        yield from super().iter_tagged_resources()  # type: ignore[misc]
        apps = [app for app in self.apps.values() if not app.lifecycle.gone]
        members: tuple[Any, ...] = (*self.user_profiles.values(), *self.spaces.values(), *apps)
        for member in members:
            # The kind is the ARN's: user-profile, space, app.
            kind = member.arn.split(":")[5].split("/")[0]
            tags = {tag["Key"]: tag["Value"] for tag in member.tags}
            yield TaggedResource(member.arn, tags, f"sagemaker:{kind}")

    def _get_resource_from_arn(self, arn: str) -> Any:
        """moto's look-up for tagging, which knows domains only."""
        members: tuple[Any, ...] = (*self.user_profiles.values(), *self.spaces.values(), *self.apps.values())
        for member in members:
            if member.arn == arn:
                return member
        return super()._get_resource_from_arn(arn)  # type: ignore[misc]

    # Domains

    def open_domain(self, request: dict[str, Any]) -> StudioDomain:
        """API_CreateDomain.

        :raises ResourceInUseException: the name is taken.
        :raises ValidationError: network, groups or role do not fit.
        """
        self.settle()
        name = request["DomainName"]
        if any(name == domain.settings["DomainName"] for domain in self.domains.values()):
            raise ResourceInUseException(f"Domain with name {name} already exists. Choose a different name.")
        request.setdefault("AppNetworkAccessType", "PublicInternetOnly")
        for member in ("VpcId", "SubnetIds"):
            if not request.get(member):
                raise ValidationError(f"{member} is required to create a domain.")
        user_settings = request["DefaultUserSettings"]
        if not user_settings.get("ExecutionRole"):
            raise ValidationError("DefaultUserSettings.ExecutionRole is required to create a domain.")
        domain = StudioDomain(self.account_id, self.region_name, request)
        self._check_user_settings(domain, user_settings)
        _check_vpc_only(request)
        domain.network.create(request.get("KmsKeyId"))
        self.domains[domain.id] = domain
        return domain

    def domain(self, domain_id: str) -> StudioDomain:
        """:raises ResourceNotFound: there is none of that id."""
        self.settle()
        try:
            return self.domains[domain_id]
        except KeyError:
            raise ResourceNotFound(f"Domain [{domain_id}] does not exist.") from None

    def change_domain(self, domain_id: str, changes: dict[str, Any]) -> StudioDomain:
        """API_UpdateDomain; the network only while no app is there.

        :raises ResourceInUseException: it is not InService, or apps hinder the change.
        """
        domain = self._domain_in_service(domain_id)
        if {"AppNetworkAccessType", "SubnetIds"} & set(changes) and self._live_apps(domain.id):
            raise ResourceInUseException(
                f"Unable to update Domain [{domain.arn}]'s network because App(s) are associated with it."
            )
        settings = {**domain.settings, **changes}
        domain.network.check_subnets(settings["SubnetIds"])
        self._check_user_settings(domain, settings["DefaultUserSettings"])
        _check_vpc_only(settings)
        domain.settings = settings
        domain.network.subnet_ids = list(settings["SubnetIds"])
        domain.lifecycle.update(DOMAIN_UPDATING_SECONDS)
        return domain

    def close_domain(self, domain_id: str, home_efs_file_system: str) -> None:
        """API_DeleteDomain.

        The NFS groups stay in the VPC, and with Retain, the default, so does the file system.

        :raises ResourceInUseException: user profiles or spaces remain.
        """
        domain = self.domain(domain_id)
        for members, told in ((self.user_profiles, "UserProfile(s)"), (self.spaces, "Space(s)")):
            if any(key[0] == domain.id for key in members):
                raise ResourceInUseException(
                    f"Unable to delete Domain [{domain.arn}] because {told} are associated with it."
                )
        if domain.lifecycle.status != "Deleting":
            if home_efs_file_system == "Delete":
                domain.network.delete_file_system()
            domain.lifecycle.delete(DOMAIN_DELETING_SECONDS)

    def _domain_in_service(self, domain_id: str) -> StudioDomain:
        domain = self.domain(domain_id)
        if domain.lifecycle.status != "InService":
            raise ResourceInUseException(
                f"Domain [{domain.arn}] is {domain.lifecycle.status}, it must be InService."
            )
        return domain

    def _check_user_settings(self, domain: StudioDomain, settings: dict[str, Any]) -> None:
        if settings.get("ExecutionRole"):
            check_role(settings["ExecutionRole"], self.account_id, self.region_name)
        domain.network.check_groups(settings.get("SecurityGroups", []))

    # User profiles

    def create_user_profile(
        self, domain_id: str, name: str, settings: dict[str, Any], tags: Tags
    ) -> UserProfile:
        """API_CreateUserProfile."""
        domain = self._domain_in_service(domain_id)
        if (domain.id, name) in self.user_profiles:
            raise ResourceInUseException(f"UserProfile [{domain.id}/{name}] already exists.")
        self._check_user_settings(domain, settings)
        arn = arn_formatter("user-profile", f"{domain.id}/{name}", self.account_id, self.region_name)
        profile = UserProfile(domain, name, arn, settings, tags, domain.next_uid())
        self.user_profiles[domain.id, name] = profile
        return profile

    def user_profile(self, domain_id: str, name: str) -> UserProfile:
        """:raises ResourceNotFound: the domain has none of that name."""
        domain = self.domain(domain_id)
        try:
            return self.user_profiles[domain.id, name]
        except KeyError:
            raise ResourceNotFound(f"UserProfile [{domain_id}/{name}] does not exist.") from None

    def update_user_profile(self, domain_id: str, name: str, settings: dict[str, Any]) -> UserProfile:
        """API_UpdateUserProfile: settings given replace those of the same name."""
        profile = self.user_profile(domain_id, name)
        if profile.lifecycle.status != "InService":
            raise ResourceInUseException(f"UserProfile [{profile.arn}] is {profile.lifecycle.status}.")
        merged = {**profile.settings, **settings}
        self._check_user_settings(profile.domain, merged)
        profile.settings = merged
        profile.lifecycle.update(PROFILE_SECONDS)
        return profile

    def delete_user_profile(self, domain_id: str, name: str) -> None:
        """API_DeleteUserProfile.

        :raises ResourceInUseException: apps or spaces of the profile remain.
        """
        profile = self.user_profile(domain_id, name)
        spaces = any(space.owner is profile for space in self.spaces.values())
        apps = any(app.owner is profile for app in self._live_apps(domain_id))
        for remains, told in ((apps, "App(s)"), (spaces, "Space(s)")):
            if remains:
                raise ResourceInUseException(
                    f"Unable to delete UserProfile [{profile.arn}] because {told} are associated with it."
                )
        if profile.lifecycle.status != "Deleting":
            profile.lifecycle.delete(PROFILE_SECONDS)

    # Spaces

    def create_space(self, request: dict[str, Any]) -> Space:
        """API_CreateSpace."""
        domain, name = self._domain_in_service(request["DomainId"]), request["SpaceName"]
        if (domain.id, name) in self.spaces:
            raise ResourceInUseException(f"Space [{domain.id}/{name}] already exists.")
        if ("OwnershipSettings" in request) != ("SpaceSharingSettings" in request):
            raise ValidationError("OwnershipSettings and SpaceSharingSettings must be given together.")
        owner = None
        if "OwnershipSettings" in request:
            owner = self.user_profile(domain.id, request["OwnershipSettings"]["OwnerUserProfileName"])
        arn = arn_formatter("space", f"{domain.id}/{name}", self.account_id, self.region_name)
        uid = owner.uid if owner else domain.next_uid()
        space = Space(domain, name, arn, owner, request, request.get("Tags", []), uid)
        self.spaces[domain.id, name] = space
        return space

    def space(self, domain_id: str, name: str) -> Space:
        """:raises ResourceNotFound: the domain has none of that name."""
        domain = self.domain(domain_id)
        try:
            return self.spaces[domain.id, name]
        except KeyError:
            raise ResourceNotFound(f"Space [{domain_id}/{name}] does not exist.") from None

    def delete_space(self, domain_id: str, name: str) -> None:
        """API_DeleteSpace.

        :raises ResourceInUseException: apps of the space remain.
        """
        space = self.space(domain_id, name)
        if any(app.owner is space for app in self._live_apps(domain_id)):
            raise ResourceInUseException(
                f"Unable to delete Space [{space.arn}] because App(s) are associated with it."
            )
        if space.lifecycle.status != "Deleting":
            space.lifecycle.delete(SPACE_SECONDS)

    # Apps

    def create_app(self, request: dict[str, Any]) -> App:
        """API_CreateApp: JupyterLab and Code Editor run in spaces, Classic's apps for user profiles."""
        owner = self._app_owner(request)
        kind, name = request["AppType"], request["AppName"]
        if kind not in (SPACE_APPS if isinstance(owner, Space) else PROFILE_APPS):
            raise ValidationError(
                f"AppType {kind} can't be created for a "
                f"{'space' if isinstance(owner, Space) else 'user profile'}."
            )
        part = owner.name if isinstance(owner, UserProfile) else f"space/{owner.name}"
        arn = arn_formatter(
            "app", f"{owner.domain.id}/{part}/{kind.lower()}/{name}", self.account_id, self.region_name
        )
        if arn in self.apps and self.apps[arn].status != "Deleted":
            raise ResourceInUseException(f"App [{arn}] already exists.")
        interface_id = None
        if owner.domain.settings["AppNetworkAccessType"] == "VpcOnly":
            profile = owner.owner if isinstance(owner, Space) else owner
            groups = (
                profile.security_groups
                if profile
                else owner.domain.settings["DefaultUserSettings"]["SecurityGroups"]
            )
            interface_id = owner.domain.network.create_interface(groups)
        app = App(
            owner, kind, name, arn, request.get("ResourceSpec", {}), request.get("Tags", []), interface_id
        )
        self.apps[arn] = app
        return app

    def app(self, request: dict[str, Any]) -> App:
        """:raises ResourceNotFound: the profile or space has no such app."""
        owner = self._app_owner(request)
        for app in self.apps.values():
            if app.owner is owner and (app.type, app.name) == (request["AppType"], request["AppName"]):
                return app
        raise ResourceNotFound(f"App [{request['AppType']}/{request['AppName']}] does not exist.")

    def delete_app(self, request: dict[str, Any]) -> None:
        """API_DeleteApp; a deleted app stays in the list as Deleted."""
        app = self.app(request)
        if app.status == "Deleted":
            raise ResourceNotFound(f"App [{app.arn}] does not exist.")
        if app.status != "Deleting":
            app.lifecycle.delete(APP_DELETING_SECONDS)
            if app.interface_id:
                app.owner.domain.network.delete_interface(app.interface_id)

    def _app_owner(self, request: dict[str, Any]) -> UserProfile | Space:
        profile, space = request.get("UserProfileName"), request.get("SpaceName")
        if bool(profile) == bool(space):
            raise ValidationError("Either UserProfileName or SpaceName must be specified, and not both.")
        if space:
            return self.space(request["DomainId"], space)
        return self.user_profile(request["DomainId"], str(profile))

    def _live_apps(self, domain_id: str) -> list[App]:
        return [a for a in self.apps.values() if a.owner.domain.id == domain_id and a.status != "Deleted"]

    # Entering

    def presign(self, profile: UserProfile, expires_in_seconds: int) -> str:
        """A token that lets its bearer in as the profile, for real seconds."""
        token = secrets.token_urlsafe(32)
        self.presigned[token] = (profile, time.monotonic() + expires_in_seconds)
        return token

    def enter(self, token: str) -> UserProfile | None:
        """Whom a presigned URL's token lets in; None once it has expired."""
        profile, until = self.presigned.get(token, (None, 0.0))
        return profile if time.monotonic() < until else None


def _check_vpc_only(settings: dict[str, Any]) -> None:
    groups = settings["DefaultUserSettings"].get("SecurityGroups")
    if settings["AppNetworkAccessType"] == "VpcOnly" and not groups:
        raise ValidationError(
            "DefaultUserSettings.SecurityGroups is required when AppNetworkAccessType is VpcOnly."
        )
