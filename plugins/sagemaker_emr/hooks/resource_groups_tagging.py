"""The Resource Groups Tagging API: what carries a tag, whichever service it is of."""

from __future__ import annotations

from sagemaker_emr.hooks.base import ServiceHook


class ResourceGroupsTaggingHook(ServiceHook):
    """Finds resources by tag."""

    service = "resourcegroupstaggingapi"

    def tagged(self, key: str, value: str) -> list[str]:
        """ARNs of the Region's resources that carry a tag (GetResources).

        It goes on listing some for a while after their deletion, and lists no IAM roles.
        https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html
        """
        pages = self.conn.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": key, "Values": [value]}]
        )
        return [found["ResourceARN"] for page in pages for found in page["ResourceTagMappingList"]]

    def tags_of(self, key: str, value: str, resource_type: str) -> dict[str, dict[str, str]]:
        """All tags of what carries a tag, by ARN, a hundred a call (GetResources).

        :param resource_type: such as ``elasticmapreduce:cluster``.
        """
        pages = self.conn.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": key, "Values": [value]}],
            ResourceTypeFilters=[resource_type],
            PaginationConfig={"PageSize": 100},
        )
        return {
            found["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in found["Tags"]}
            for page in pages
            for found in page["ResourceTagMappingList"]
        }
