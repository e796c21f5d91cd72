"""A resource type that is made by its service's own API, the way CloudFormation makes it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException

from local_aws.internal import client


class ApiResource:
    """Base of our resource types; list ``CloudFormationModel`` after it.

    A subclass says ``resource_type``, ``service``, ``supported_properties`` and has ``create``, ``remove``
    and, where the type can be changed in place, ``change``.

    :cvar fixed_properties: properties that can't be changed here though AWS could; a change fails.
    """

    resource_type: ClassVar[str]
    service: ClassVar[str]
    name_property: ClassVar[str] = ""
    supported_properties: ClassVar[frozenset[str]]
    fixed_properties: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, account_id: str, region: str, name: str, properties: dict[str, Any]) -> None:
        self.account_id = account_id
        self.region = region
        self.name = name
        self.properties = properties
        self.physical_resource_id: str | None = None
        self.attributes: dict[str, Any] = {}
        self.api = client(self.service, region)

    def create(self) -> None:
        """Make it, setting ``physical_resource_id`` as soon as it exists."""
        raise NotImplementedError

    def change(self, old: Mapping[str, Any]) -> None:
        """Bring it from its old properties to ``self.properties``."""
        raise ValueError(f"local_aws can't update a resource of type {self.resource_type} in place.")

    def remove(self) -> None:
        """Delete it."""
        raise NotImplementedError

    @property
    def tags(self) -> list[dict[str, str]]:
        """Tags of the resource, those of the stack among them."""
        tags: list[dict[str, str]] = self.properties.get("Tags", [])
        return tags

    def picked(self, *names: str) -> dict[str, Any]:
        """Those of the properties that are set."""
        return {name: self.properties[name] for name in names if name in self.properties}

    @classmethod
    def cloudformation_type(cls) -> str:
        """The type's name."""
        return cls.resource_type

    @classmethod
    def cloudformation_name_type(cls) -> str:
        """The property that names the resource."""
        return cls.name_property

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> ApiResource:
        """Make it; what was made of one that fails is removed."""
        resource = cls(account_id, region_name, resource_name, cloudformation_json["Properties"])
        try:
            resource.create()
        except Exception:
            if resource.physical_resource_id:
                with contextlib.suppress(Exception):
                    resource.remove()
            raise
        return resource

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: ApiResource,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> ApiResource:
        """Change it in place."""
        old, new = original_resource.properties, cloudformation_json["Properties"]
        changed = sorted(k for k in cls.fixed_properties if old.get(k) != new.get(k))
        if changed:
            raise ValueError(f"local_aws can't change {', '.join(changed)} of a {cls.resource_type}.")
        original_resource.properties = new
        try:
            original_resource.change(old)
        except Exception:
            original_resource.properties = old
            raise
        return original_resource

    def is_created(self) -> bool:
        """Made at once."""
        return True

    def delete(self, account_id: str, region_name: str) -> None:
        """Remove it."""
        self.remove()

    def get_cfn_attribute(self, name: str) -> Any:
        """What ``Fn::GetAtt`` gives."""
        if name not in self.attributes:
            raise UnformattedGetAttTemplateException
        return self.attributes[name]
