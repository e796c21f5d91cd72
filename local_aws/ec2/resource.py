"""What EC2's resource types have in common: tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from local_aws.cloudformation.api_resource import ApiResource


class Ec2Resource(ApiResource):
    """A taggable resource of EC2.

    :cvar tag_type: its name in TagSpecifications.
    """

    service = "ec2"
    tag_type: ClassVar[str]

    def tag_specifications(self) -> dict[str, Any]:
        """The argument that tags the resource on creation."""
        if not self.tags:
            return {}
        return {"TagSpecifications": [{"ResourceType": self.tag_type, "Tags": self.tags}]}

    @property
    def tagged_id(self) -> str:
        """The id that tags are kept under."""
        return str(self.physical_resource_id)

    def change(self, old: Mapping[str, Any]) -> None:
        """Bring the tags up to date."""
        wanted = {tag["Key"] for tag in self.tags}
        gone = [{"Key": tag["Key"]} for tag in old.get("Tags", []) if tag["Key"] not in wanted]
        if gone:
            self.api.delete_tags(Resources=[self.tagged_id], Tags=gone)
        if self.tags:
            self.api.create_tags(Resources=[self.tagged_id], Tags=self.tags)


def boolean(value: Any) -> bool:
    """A property that may be a boolean or its text."""
    return str(value).lower() == "true"
