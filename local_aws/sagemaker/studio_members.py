"""What lives in a Studio domain: user profiles, spaces and apps, and the domain itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from moto.moto_api._internal import mock_random
from moto.sagemaker.utils import arn_formatter

from local_aws.sagemaker.studio_lifecycle import Lifecycle
from local_aws.sagemaker.studio_network import DomainNetwork

# How long AWS takes, in its own seconds.
DOMAIN_PENDING_SECONDS = 240.0
DOMAIN_UPDATING_SECONDS = 20.0
DOMAIN_DELETING_SECONDS = 120.0
PROFILE_SECONDS = 15.0
SPACE_SECONDS = 15.0
APP_PENDING_SECONDS = 90.0
APP_DELETING_SECONDS = 30.0
FIRST_UID = 200005


def _described(settings: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: settings[name] for name in names if name in settings}


class StudioDomain:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeDomain.html

    :param settings: the members of CreateDomain.
    """

    def __init__(self, account_id: str, region: str, settings: dict[str, Any]) -> None:
        self.id = f"d-{mock_random.get_random_string(12, lower_case=True)}"
        self.arn = arn_formatter("domain", self.id, account_id, region)
        self.settings = settings
        self.tags: list[dict[str, str]] = list(settings.pop("Tags", []))
        self.url = f"https://{self.id}.studio.{region}.sagemaker.aws"
        self.network = DomainNetwork(
            region, self.id, self.arn, settings["VpcId"], list(settings["SubnetIds"])
        )
        self.lifecycle = Lifecycle(DOMAIN_PENDING_SECONDS)
        self.users = 0

    def next_uid(self) -> str:
        """The next user's id in the file system."""
        self.users += 1
        return str(FIRST_UID + self.users - 1)

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeDomain."""
        return {
            **self.summary(),
            **_described(
                self.settings,
                "AuthMode",
                "DefaultUserSettings",
                "DefaultSpaceSettings",
                "DomainSettings",
                "AppNetworkAccessType",
                "AppSecurityGroupManagement",
                "SubnetIds",
                "VpcId",
                "KmsKeyId",
                "TagPropagation",
            ),
            "HomeEfsFileSystemId": self.network.file_system_id,
        }

    def summary(self) -> dict[str, Any]:
        """A ``DomainDetails`` structure."""
        return {
            "DomainArn": self.arn,
            "DomainId": self.id,
            "DomainName": self.settings["DomainName"],
            "Url": self.url,
            **self.lifecycle.times(),
        }


@dataclass
class UserProfile:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeUserProfile.html"""

    domain: StudioDomain
    name: str
    arn: str
    settings: dict[str, Any]
    tags: list[dict[str, str]]
    uid: str
    lifecycle: Lifecycle = field(default_factory=lambda: Lifecycle(PROFILE_SECONDS))

    @property
    def security_groups(self) -> list[str]:
        """Its own groups, or the domain's."""
        default: list[str] = self.domain.settings["DefaultUserSettings"].get("SecurityGroups", [])
        own: list[str] = self.settings.get("SecurityGroups", default)
        return own

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeUserProfile."""
        return {
            **self.summary(),
            "UserProfileArn": self.arn,
            "HomeEfsFileSystemUid": self.uid,
            "UserSettings": self.settings,
        }

    def summary(self) -> dict[str, Any]:
        """A ``UserProfileDetails`` structure."""
        return {
            "DomainId": self.domain.id,
            "UserProfileName": self.name,
            **self.lifecycle.times(),
        }


@dataclass
class Space:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeSpace.html

    :param request: the members of CreateSpace.
    """

    domain: StudioDomain
    name: str
    arn: str
    owner: UserProfile | None
    request: dict[str, Any]
    tags: list[dict[str, str]]
    uid: str
    lifecycle: Lifecycle = field(default_factory=lambda: Lifecycle(SPACE_SECONDS))

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeSpace."""
        return {
            "DomainId": self.domain.id,
            "SpaceName": self.name,
            "SpaceArn": self.arn,
            "HomeEfsFileSystemUid": self.uid,
            **_described(
                self.request, "SpaceSettings", "OwnershipSettings", "SpaceSharingSettings", "SpaceDisplayName"
            ),
            **self.lifecycle.times(),
        }

    def summary(self) -> dict[str, Any]:
        """A ``SpaceDetails`` structure."""
        settings = self.request.get("SpaceSettings", {})
        summary = {
            "DomainId": self.domain.id,
            "SpaceName": self.name,
            **_described(self.request, "SpaceDisplayName"),
            **self.lifecycle.times(),
            "SpaceSettingsSummary": _described(settings, "AppType", "SpaceStorageSettings"),
        }
        if "SpaceSharingSettings" in self.request:
            summary["SpaceSharingSettingsSummary"] = self.request["SpaceSharingSettings"]
        if "OwnershipSettings" in self.request:
            summary["OwnershipSettingsSummary"] = self.request["OwnershipSettings"]
        return summary


@dataclass
class App:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeApp.html

    :param owner: the user profile or the space that it runs for.
    :param interface_id: its network interface, in a VpcOnly domain.
    """

    owner: UserProfile | Space
    type: str
    name: str
    arn: str
    resource_spec: dict[str, Any]
    tags: list[dict[str, str]]
    interface_id: str | None
    lifecycle: Lifecycle = field(default_factory=lambda: Lifecycle(APP_PENDING_SECONDS))

    @property
    def status(self) -> str:
        """Deleted apps stay in the list."""
        return "Deleted" if self.lifecycle.gone else self.lifecycle.status

    def summary(self) -> dict[str, Any]:
        """An ``AppDetails`` structure."""
        told = "SpaceName" if isinstance(self.owner, Space) else "UserProfileName"
        return {
            "DomainId": self.owner.domain.id,
            told: self.owner.name,
            "AppType": self.type,
            "AppName": self.name,
            "Status": self.status,
            "CreationTime": self.lifecycle.creation_time,
            "ResourceSpec": self.resource_spec,
        }

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeApp."""
        return {**self.summary(), "AppArn": self.arn}
