"""A network made by CloudFormation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TEMPLATE = (Path(__file__).parent / "network.yaml").read_text()
DELAY = {"Delay": 1, "MaxAttempts": 60}


class Network:
    """The stack and its EC2 client."""

    def __init__(self, client: Callable[..., Any]) -> None:
        self.cloudformation = client("cloudformation")
        self.ec2 = client("ec2")
        self.cloudformation.create_stack(
            StackName="network", TemplateBody=TEMPLATE, Tags=[{"Key": "owner", "Value": "me"}]
        )
        self.cloudformation.get_waiter("stack_create_complete").wait(StackName="network", WaiterConfig=DELAY)
        stack = self.cloudformation.describe_stacks(StackName="network")["Stacks"][0]
        self.stack_id = stack["StackId"]
        self.ids = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def update(self, **parameters: str) -> None:
        """Update with other parameters."""
        given = [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()]
        self.cloudformation.update_stack(StackName="network", UsePreviousTemplate=True, Parameters=given)
        self.cloudformation.get_waiter("stack_update_complete").wait(StackName="network", WaiterConfig=DELAY)


@pytest.fixture
def network(client: Callable[..., Any]) -> Network:
    return Network(client)
