"""Drift detection: what a stack's template declares against what is there.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html
Only properties that the template sets are compared, tags of the stack and of CloudFormation left out.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow

from local_aws import clock
from local_aws.cloudformation import live
from local_aws.cloudformation.exceptions import ValidationError
from local_aws.cloudformation.resources import Resource
from local_aws.cloudformation.stack import Stack

DETECTION_SECONDS = 10.0
DETECTABLE = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"}
)
NOT_CHECKED = "NOT_CHECKED"

logger = logging.getLogger(__name__)


@dataclass
class Detection:
    """One detection on one stack."""

    stack: Stack
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "DETECTION_IN_PROGRESS"
    reason: str | None = None
    asked_at: datetime = field(default_factory=utcnow)
    drifts: list[dict[str, Any]] = field(default_factory=list)

    def view(self) -> dict[str, Any]:
        """As DescribeStackDriftDetectionStatus shows it."""
        done = self.status == "DETECTION_COMPLETE"
        drifted = sum(one["StackResourceDriftStatus"] != "IN_SYNC" for one in self.drifts)
        return {
            "StackId": self.stack.stack_id,
            "StackDriftDetectionId": self.id,
            "DetectionStatus": self.status,
            "DetectionStatusReason": self.reason,
            "Timestamp": self.asked_at,
            "StackDriftStatus": ("DRIFTED" if drifted else "IN_SYNC") if done else None,
            "DriftedStackResourceCount": drifted if done else None,
        }


class Detections:
    """The detections of one Region, the last one of each stack."""

    def __init__(self) -> None:
        self._by_id: dict[str, Detection] = {}
        self._last: dict[str, Detection] = {}

    def start(self, stack: Stack) -> Detection:
        """Detect in the background.

        :raises ValidationError: the stack is in no state for it, or a detection is in progress.
        """
        if stack.status not in DETECTABLE:
            raise ValidationError(
                f"Drift detection cannot be performed on stack [{stack.name}] in status {stack.status}"
            )
        last = self._last.get(stack.stack_id)
        if last and last.status == "DETECTION_IN_PROGRESS":
            raise ValidationError(f"Drift detection is already in progress for stack [{stack.stack_id}]")
        detection = Detection(stack)
        self._by_id[detection.id] = self._last[stack.stack_id] = detection
        threading.Thread(target=_detect, args=(detection,), name=f"drift-{stack.name}", daemon=True).start()
        return detection

    def get(self, detection_id: str) -> Detection:
        """A detection by its id.

        :raises ValidationError: there is none.
        """
        if detection_id not in self._by_id:
            raise ValidationError(f"Drift detection {detection_id} does not exist")
        return self._by_id[detection_id]

    def drifts(self, stack: Stack) -> list[dict[str, Any]]:
        """What the last finished detection found, resource by resource."""
        last = self._last.get(stack.stack_id)
        return last.drifts if last else []

    def status(self, stack: Stack, logical_id: str) -> str:
        """A resource's drift status."""
        found = (one for one in self.drifts(stack) if one["LogicalResourceId"] == logical_id)
        return next((str(one["StackResourceDriftStatus"]) for one in found), NOT_CHECKED)


def _detect(detection: Detection) -> None:
    clock.sleep(DETECTION_SECONDS)
    try:
        resources = list(detection.stack.resources.values())
        detection.drifts = [_drift(detection.stack, one) for one in resources if one.type in live.READERS]
        detection.status = "DETECTION_COMPLETE"
    except Exception as error:
        logger.exception("Drift detection of %s broke", detection.stack.name)
        detection.status, detection.reason = "DETECTION_FAILED", f"Internal Failure: {error}"


def _drift(stack: Stack, resource: Resource) -> dict[str, Any]:
    found = live.read(stack.region, resource)
    drift: dict[str, Any] = {
        "StackId": stack.stack_id,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type,
        "ExpectedProperties": _json(resource.properties),
        "Timestamp": utcnow(),
    }
    if found is None:
        return {**drift, "StackResourceDriftStatus": "DELETED", "PropertyDifferences": []}
    differences = list(_differences(stack, resource.properties, found))
    return {
        **drift,
        "ActualProperties": _json({key: found.get(key) for key in resource.properties if key in found}),
        "StackResourceDriftStatus": "MODIFIED" if differences else "IN_SYNC",
        "PropertyDifferences": differences,
    }


def _differences(stack: Stack, declared: dict[str, Any], found: dict[str, Any]) -> Iterator[dict[str, str]]:
    for name, expected in declared.items():
        if name not in found:
            continue
        actual = found[name]
        if name == "Tags":
            actual = [tag for tag in actual if not _is_of_stack(stack, tag, expected)]
        if _comparable(expected) != _comparable(actual):
            kind = "NOT_EQUAL" if actual is not None else "REMOVE"
            yield {
                "PropertyPath": f"/{name}",
                "ExpectedValue": _json(expected),
                "ActualValue": _json(actual),
                "DifferenceType": kind,
            }


def _is_of_stack(stack: Stack, tag: dict[str, str], declared: list[dict[str, str]]) -> bool:
    key = tag["Key"]
    return key.startswith("aws:") or (key in stack.tags and key not in [one["Key"] for one in declared])


def _comparable(value: Any) -> Any:
    """Equal for values that mean the same: order of lists, scalars as text."""
    if isinstance(value, dict):
        return {key: _comparable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        items = [_comparable(inner) for inner in value]
        # In policies one text and a list of one text are the same.
        return items[0] if len(items) == 1 and isinstance(items[0], str) else sorted(items, key=_json)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
