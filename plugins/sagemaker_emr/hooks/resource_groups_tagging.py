"""The Resource Groups Tagging API: what carries a tag, whichever service it is of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagemaker_emr.hooks.base import ServiceHook


class ResourceGroupsTaggingHook(ServiceHook):
    """Finds resources by tag."""

    service = "resourcegroupstaggingapi"

    def tagged(self, key: str, value: str) -> list[str]:
        """ARNs of the Region's resources that carry a tag (GetResources).

        It goes on listing some for a while after their deletion, and lists no IAM roles.
        https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html
        """
        return [found["ResourceARN"] for found in self._found({"Key": key, "Values": [value]})]

    def values(self, key: str) -> set[str]:
        """Every value of a tag that a resource of the Region carries (GetResources)."""
        tags = [tag for found in self._found({"Key": key}) for tag in found["Tags"]]
        return {tag["Value"] for tag in tags if tag["Key"] == key}

    def tags_of(self, key: str, value: str, resource_type: str) -> dict[str, dict[str, str]]:
        """All tags of what carries a tag, by ARN (GetResources).

        :param resource_type: such as ``elasticmapreduce:cluster``.
        """
        return {
            found["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in found["Tags"]}
            for found in self._found({"Key": key, "Values": [value]}, ResourceTypeFilters=[resource_type])
        }

    def _found(self, tag_filter: dict[str, Any], **filters: Any) -> Iterator[dict[str, Any]]:
        """A hundred a call, the most there is."""
        pages = self.conn.get_paginator("get_resources").paginate(
            TagFilters=[tag_filter], ResourcesPerPage=100, **filters
        )
        for page in pages:
            yield from page["ResourceTagMappingList"]
