"""Operations of Studio.

Each follows https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_<Operation>.html.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from local_aws.sagemaker.parameters import ANY, CheckedRequests, page
from local_aws.sagemaker.studio_backend import StudioBackend

_USER_SETTINGS = {
    "ExecutionRole": ANY,
    "SecurityGroups": ANY,
    "SharingSettings": ANY,
    "JupyterServerAppSettings": ANY,
    "KernelGatewayAppSettings": ANY,
    "JupyterLabAppSettings": ANY,
    "CodeEditorAppSettings": ANY,
    "SpaceStorageSettings": ANY,
    "DefaultLandingUri": ANY,
    "StudioWebPortal": ANY,
    "StudioWebPortalSettings": ANY,
}
_DOMAIN = {
    "DefaultUserSettings": _USER_SETTINGS,
    "DefaultSpaceSettings": ANY,
    "AppNetworkAccessType": ANY,
    "AppSecurityGroupManagement": ANY,
    "SubnetIds": ANY,
    "TagPropagation": ANY,
}
_DOMAIN_SETTINGS = {"SecurityGroupIds": ANY, "ExecutionRoleIdentityConfig": ANY, "DockerSettings": ANY}
_CREATE_DOMAIN = {
    **_DOMAIN,
    "DomainName": ANY,
    "AuthMode": frozenset({"IAM"}),
    "DomainSettings": _DOMAIN_SETTINGS,
    "VpcId": ANY,
    "KmsKeyId": ANY,
    "Tags": ANY,
}
_UPDATE_DOMAIN = {**_DOMAIN, "DomainId": ANY, "DomainSettingsForUpdate": _DOMAIN_SETTINGS}
_PROFILE = {"DomainId": ANY, "UserProfileName": ANY}
_SPACE = {"DomainId": ANY, "SpaceName": ANY}
_SPACE_SETTINGS = {
    "AppType": ANY,
    "SpaceStorageSettings": ANY,
    "JupyterServerAppSettings": ANY,
    "KernelGatewayAppSettings": ANY,
    "JupyterLabAppSettings": ANY,
    "CodeEditorAppSettings": ANY,
}
_APP = {"DomainId": ANY, "UserProfileName": ANY, "SpaceName": ANY, "AppType": ANY, "AppName": ANY}
_PAGE = {"NextToken": ANY, "MaxResults": ANY}


class StudioResponse(CheckedRequests):
    """A mixin for moto's responses."""

    sagemaker_backend: Any
    headers: Any

    @property
    def studio(self) -> StudioBackend:
        """Studio's part of the backend."""
        backend: StudioBackend = self.sagemaker_backend
        return backend

    # Domains

    def create_domain(self) -> ActionResult:
        """API_CreateDomain."""
        domain = self.studio.open_domain(self.checked("CreateDomain", _CREATE_DOMAIN))
        return ActionResult({"DomainArn": domain.arn, "DomainId": domain.id, "Url": domain.url})

    def describe_domain(self) -> ActionResult:
        """API_DescribeDomain."""
        request = self.checked("DescribeDomain", {"DomainId": ANY})
        return ActionResult(self.studio.domain(request["DomainId"]).describe())

    def list_domains(self) -> ActionResult:
        """API_ListDomains."""
        request = self.checked("ListDomains", _PAGE)
        self.studio.settle()
        return _paged("Domains", (domain.summary() for domain in self.studio.domains.values()), request)

    def update_domain(self) -> ActionResult:
        """API_UpdateDomain."""
        changes = self.checked("UpdateDomain", _UPDATE_DOMAIN)
        domain_id = changes.pop("DomainId")
        if "DomainSettingsForUpdate" in changes:
            changes["DomainSettings"] = changes.pop("DomainSettingsForUpdate")
        return ActionResult({"DomainArn": self.studio.change_domain(domain_id, changes).arn})

    def delete_domain(self) -> ActionResult:
        """API_DeleteDomain."""
        request = self.checked("DeleteDomain", {"DomainId": ANY, "RetentionPolicy": ANY})
        retention = request.get("RetentionPolicy", {}).get("HomeEfsFileSystem", "Retain")
        self.studio.close_domain(request["DomainId"], retention)
        return EmptyResult()

    # User profiles

    def create_user_profile(self) -> ActionResult:
        """API_CreateUserProfile."""
        request = self.checked("CreateUserProfile", {**_PROFILE, "UserSettings": _USER_SETTINGS, "Tags": ANY})
        profile = self.studio.create_user_profile(
            request["DomainId"],
            request["UserProfileName"],
            request.get("UserSettings", {}),
            request.get("Tags", []),
        )
        return ActionResult({"UserProfileArn": profile.arn})

    def describe_user_profile(self) -> ActionResult:
        """API_DescribeUserProfile."""
        request = self.checked("DescribeUserProfile", _PROFILE)
        profile = self.studio.user_profile(request["DomainId"], request["UserProfileName"])
        return ActionResult(profile.describe())

    def list_user_profiles(self) -> ActionResult:
        """API_ListUserProfiles."""
        played = {"DomainIdEquals": ANY, "UserProfileNameContains": ANY, "SortBy": ANY, "SortOrder": ANY}
        request = self.checked("ListUserProfiles", {**played, **_PAGE})
        self.studio.settle()
        summaries = _chosen(
            (profile.summary() for profile in self.studio.user_profiles.values()), request, "UserProfileName"
        )
        return _paged("UserProfiles", summaries, request)

    def update_user_profile(self) -> ActionResult:
        """API_UpdateUserProfile."""
        request = self.checked("UpdateUserProfile", {**_PROFILE, "UserSettings": _USER_SETTINGS})
        profile = self.studio.update_user_profile(
            request["DomainId"], request["UserProfileName"], request.get("UserSettings", {})
        )
        return ActionResult({"UserProfileArn": profile.arn})

    def delete_user_profile(self) -> ActionResult:
        """API_DeleteUserProfile."""
        request = self.checked("DeleteUserProfile", _PROFILE)
        self.studio.delete_user_profile(request["DomainId"], request["UserProfileName"])
        return EmptyResult()

    # Spaces

    def create_space(self) -> ActionResult:
        """API_CreateSpace."""
        request = self.checked(
            "CreateSpace",
            {
                **_SPACE,
                "SpaceSettings": _SPACE_SETTINGS,
                "OwnershipSettings": ANY,
                "SpaceSharingSettings": ANY,
                "SpaceDisplayName": ANY,
                "Tags": ANY,
            },
        )
        return ActionResult({"SpaceArn": self.studio.create_space(request).arn})

    def describe_space(self) -> ActionResult:
        """API_DescribeSpace."""
        request = self.checked("DescribeSpace", _SPACE)
        return ActionResult(self.studio.space(request["DomainId"], request["SpaceName"]).describe())

    def list_spaces(self) -> ActionResult:
        """API_ListSpaces."""
        played = {"DomainIdEquals": ANY, "SpaceNameContains": ANY, "SortBy": ANY, "SortOrder": ANY}
        request = self.checked("ListSpaces", {**played, **_PAGE})
        self.studio.settle()
        summaries = _chosen((space.summary() for space in self.studio.spaces.values()), request, "SpaceName")
        return _paged("Spaces", summaries, request)

    def delete_space(self) -> ActionResult:
        """API_DeleteSpace."""
        request = self.checked("DeleteSpace", _SPACE)
        self.studio.delete_space(request["DomainId"], request["SpaceName"])
        return EmptyResult()

    # Apps

    def create_app(self) -> ActionResult:
        """API_CreateApp."""
        app = self.studio.create_app(self.checked("CreateApp", {**_APP, "ResourceSpec": ANY, "Tags": ANY}))
        return ActionResult({"AppArn": app.arn})

    def describe_app(self) -> ActionResult:
        """API_DescribeApp."""
        return ActionResult(self.studio.app(self.checked("DescribeApp", _APP)).describe())

    def list_apps(self) -> ActionResult:
        """API_ListApps."""
        played = {"DomainIdEquals": ANY, "UserProfileNameEquals": ANY, "SpaceNameEquals": ANY}
        request = self.checked("ListApps", {**played, "SortBy": ANY, "SortOrder": ANY, **_PAGE})
        summaries = [app.summary() for app in self.studio.apps.values()]
        for member in ("UserProfileName", "SpaceName"):
            if wanted := request.get(f"{member}Equals"):
                summaries = [summary for summary in summaries if summary.get(member) == wanted]
        return _paged("Apps", _chosen(summaries, request, "AppName"), request)

    def delete_app(self) -> ActionResult:
        """API_DeleteApp."""
        self.studio.delete_app(self.checked("DeleteApp", _APP))
        return EmptyResult()

    # Entering, and Service Catalog

    def create_presigned_domain_url(self) -> ActionResult:
        """API_CreatePresignedDomainUrl; the address is this server's, not Studio's."""
        request = self.checked(
            "CreatePresignedDomainUrl",
            {**_PROFILE, "ExpiresInSeconds": ANY, "SessionExpirationDurationInSeconds": ANY},
        )
        profile = self.studio.user_profile(request["DomainId"], request["UserProfileName"])
        token = self.studio.presign(profile, request.get("ExpiresInSeconds", 300))
        address = f"http://{self.headers['Host']}/_local/studio/{profile.domain.id}/auth?token={token}"
        return ActionResult({"AuthorizedUrl": address})

    def enable_sagemaker_servicecatalog_portfolio(self) -> ActionResult:
        """API_EnableSagemakerServicecatalogPortfolio."""
        self.studio.servicecatalog_portfolio_enabled = True
        return ActionResult({})

    def disable_sagemaker_servicecatalog_portfolio(self) -> ActionResult:
        """API_DisableSagemakerServicecatalogPortfolio."""
        self.studio.servicecatalog_portfolio_enabled = False
        return ActionResult({})

    def get_sagemaker_servicecatalog_portfolio_status(self) -> ActionResult:
        """API_GetSagemakerServicecatalogPortfolioStatus."""
        enabled = self.studio.servicecatalog_portfolio_enabled
        return ActionResult({"Status": "Enabled" if enabled else "Disabled"})


def _chosen(summaries: Iterable[dict[str, Any]], request: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Those that the request's filters leave, in its order (oldest first unless told otherwise)."""
    domain_id, part = request.get("DomainIdEquals"), request.get(f"{name}Contains", "")
    chosen = [s for s in summaries if domain_id in (None, s["DomainId"]) and part in s[name]]
    member = request.get("SortBy", "CreationTime")
    return sorted(chosen, key=lambda s: s[member], reverse=request.get("SortOrder") == "Descending")


def _paged(key: str, summaries: Iterable[dict[str, Any]], request: dict[str, Any]) -> ActionResult:
    chosen, token = page(list(summaries), request)
    return ActionResult({key: chosen, "NextToken": token})
