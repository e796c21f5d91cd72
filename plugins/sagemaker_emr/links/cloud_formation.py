"""The console page of a CloudFormation stack."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink


class CloudFormationStackLink(BaseAwsLink):
    """A stack's events."""

    name = "CloudFormation stack"
    key = "cloudformation_stack"
    format_str = (
        BASE_AWS_CONSOLE_LINK + "/cloudformation/home?region={region_name}#/stacks/events?stackId={stack_id}"
    )

    def format_link(self, **kwargs: Any) -> str:
        if "stack_id" in kwargs:
            kwargs["stack_id"] = quote(kwargs["stack_id"], safe="")
        return str(super().format_link(**kwargs))
