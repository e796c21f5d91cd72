"""Interruptions of a run, at the boundary to AWS: botocore's calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from local_aws import internal
from sagemaker_emr.exceptions import SageMakerEmrError
from tests.dags.runs import ProcessDied

READING = ("Describe", "Detect", "Get", "Head", "List", "Scan", "Search", "Simulate", "Validate")
HOLD_LIMIT_SECONDS = 60.0
REFUSAL = "ServiceLimitExceeded"

Step = tuple[str, str]
"""A task and an operation that it asks for."""


class Boundary:
    """Every call of this process to AWS, and what befalls it.

    The embedded AWS runs in this process too. Its own calls, by which CloudFormation makes resources, are
    seen here as well: ``refuses`` and ``holds`` are about those.

    :ivar changes: task and operation of each request that changes something, in their order.
    """

    def __init__(self) -> None:
        self.changes: list[Step] = []
        self._operator: Any = None
        self._dies_after: Step | None = None
        self._dies_once: set[Step] | None = None
        self._killed_after: Step | None = None
        self._waiting = False
        self._refused: str | None = None
        self._held: dict[str, str] = {}
        self._released: dict[str, threading.Event] = {}
        self._befell: set[str] = set()
        self._call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def on_task(self, operator: Any) -> None:
        """Which operator runs from now on."""
        self._operator = operator
        if operator is None or (self._killed_after and self._killed_after[0] == operator.task_id):
            return
        if operator.task_id in self._released:
            self._released[operator.task_id].set()

    @contextmanager
    def dies_after(self, step: Step) -> Iterator[None]:
        """The task's process dies when AWS has done what it asked for, before it learns of it."""
        self._dies_after = step
        with pytest.raises(ProcessDied):
            yield
        self._dies_after = None

    def die_once_after_each_change(self, run: Callable[[], Any]) -> set[Step]:
        """Run again and again, each time to the next change that nothing died after yet; those changes."""
        self._dies_once = set()
        while True:
            try:
                run()
            except ProcessDied:
                continue
            died, self._dies_once = self._dies_once, None
            return died

    @contextmanager
    def killed_after(self, step: Step) -> Iterator[None]:
        """The task is killed while it waits for what it asked for: ``on_kill``, then the end."""
        self._killed_after = step
        with pytest.raises(ProcessDied):
            yield
        self._killed_after = None

    @contextmanager
    def refuses(self, operation: str) -> Iterator[None]:
        """AWS refuses an operation to CloudFormation, as where a quota is used up."""
        self._refused = operation
        yield
        self._refused = None
        assert operation in self._befell, f"CloudFormation did not ask for {operation}"

    @contextmanager
    def holds(self, operations: Mapping[str, str]) -> Iterator[None]:
        """CloudFormation gets no answer to an operation until its task starts again after a kill.

        :param operations: by task.
        """
        self._held = {operation: task_id for task_id, operation in operations.items()}
        self._released = {task_id: threading.Event() for task_id in operations}
        try:
            yield
        finally:
            for event in self._released.values():
                event.set()
            self._held, self._released = {}, {}
        assert set(operations.values()) <= self._befell, f"CloudFormation asked for {self._befell} only"

    def call(self, client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        """In the place of botocore's own."""
        if client.meta.endpoint_url == internal.ENDPOINT:
            return self._internal_call(client, operation, parameters)
        answer = self._call(client, operation, parameters)
        step = (self._operator.task_id if self._operator else "", operation)
        if not operation.startswith(READING):
            self.changes.append(step)
        if step == self._dies_after:
            raise ProcessDied
        if self._dies_once is not None and not operation.startswith(READING) and step not in self._dies_once:
            self._dies_once.add(step)
            raise ProcessDied
        if self._waiting:
            self._waiting = False
            self._operator.on_kill()
            raise ProcessDied
        self._waiting = step == self._killed_after
        return answer

    def _internal_call(self, client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        if operation == self._refused:
            self._befell.add(operation)
            raise ClientError(
                {
                    "Error": {"Code": REFUSAL, "Message": f"{REFUSAL}: request an increase"},
                    "ResponseMetadata": {"HTTPStatusCode": 400},  # type: ignore[typeddict-item]
                },
                operation,
            )
        try:
            return self._call(client, operation, parameters)
        finally:
            task_id = self._held.get(operation)
            if task_id and not self._released[task_id].is_set():
                self._befell.add(operation)
                assert self._released[task_id].wait(HOLD_LIMIT_SECONDS), f"{operation} was held for ever"


def refused() -> Any:
    """A run ends, since AWS refused something on the way."""
    return pytest.raises(SageMakerEmrError, match=REFUSAL)


@pytest.fixture
def boundary(monkeypatch: pytest.MonkeyPatch) -> Boundary:
    """All of this process's calls to AWS, through one place."""
    made = Boundary()
    monkeypatch.setattr(BaseClient, "_make_api_call", lambda self, *arguments: made.call(self, *arguments))
    return made
