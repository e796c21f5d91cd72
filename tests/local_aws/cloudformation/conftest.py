"""Stacks under test, and waiting for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.account import limit_seconds, poll_seconds

LIMIT_SECONDS = 60


class Stacks:
    """CloudFormation's client with the waiting every test needs."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def create(self, name: str, body: str, **rest: Any) -> dict[str, Any]:
        """Create a stack and wait for the end."""
        self.client.create_stack(StackName=name, TemplateBody=body, **_parameters(rest))
        return self.settled(name)

    def update(self, name: str, body: str, **rest: Any) -> dict[str, Any]:
        """Update a stack and wait for the end."""
        self.client.update_stack(StackName=name, TemplateBody=body, **_parameters(rest))
        return self.settled(name)

    def delete(self, stack_id: str) -> dict[str, Any]:
        """Delete a stack and wait for the end."""
        self.client.delete_stack(StackName=stack_id)
        return self.settled(stack_id)

    def change_set(self, stack: str, name: str, body: str, **rest: Any) -> dict[str, Any]:
        """Create a change set and wait until it is known what it does."""
        made = self.client.create_change_set(
            StackName=stack, ChangeSetName=name, TemplateBody=body, **_parameters(rest)
        )
        return self._until(
            lambda: self.client.describe_change_set(ChangeSetName=made["Id"]),
            lambda shown: shown["Status"] in ("CREATE_COMPLETE", "FAILED"),
        )

    def settled(self, name: str) -> dict[str, Any]:
        """The stack once no operation is in progress."""
        return self._until(
            lambda: self.client.describe_stacks(StackName=name)["Stacks"][0],
            lambda stack: not stack["StackStatus"].endswith("_IN_PROGRESS"),
        )

    def events(self, name: str) -> list[tuple[str, str, str]]:
        """Logical id, status and reason of all events, oldest first."""
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=name)
        events = [event for page in pages for event in page["StackEvents"]]
        return [
            (e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason", ""))
            for e in reversed(events)
        ]

    def reason(self, name: str, status: str) -> str:
        """The reason of the first event with a status."""
        return next(reason for _, s, reason in self.events(name) if s == status)

    @staticmethod
    def _until(look: Callable[[], dict[str, Any]], good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + limit_seconds(LIMIT_SECONDS)
        while not good(shown := look()):
            assert time.monotonic() < deadline, shown
            time.sleep(poll_seconds(0.05))
        return shown


def _parameters(arguments: dict[str, Any]) -> dict[str, Any]:
    values = arguments.pop("parameters", {})
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    return {"Parameters": given, **arguments}


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.fixture
def data(unique: Callable[[str], str]) -> str:
    """The name of a stack; its buckets' names begin with it."""
    return unique("data")


@pytest.fixture
def stacks(client: Callable[..., Any]) -> Stacks:
    return Stacks(client("cloudformation"))
