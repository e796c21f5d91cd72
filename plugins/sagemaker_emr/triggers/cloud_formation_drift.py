"""Waits for drift detections."""

from __future__ import annotations

import time
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.hooks.cloud_formation import CloudFormationHook
from sagemaker_emr.transient import is_transient
from sagemaker_emr.triggers.base import WaitTrigger

ENDED = frozenset({"DETECTION_COMPLETE", "DETECTION_FAILED"})


class CloudFormationDriftTrigger(WaitTrigger):
    """Waits until the drift detections of several stacks have ended.

    A detection changes nothing and ends by itself, so one that does not end in time is no error: the result
    tells the last status of each, with the reason where there is one.

    :param detections: detection id by concern.
    :param refused: by concern, why no detection could be asked for; handed back with the result.
    """

    hook_class = CloudFormationHook
    waits_for = "drift detection"

    def __init__(self, *, detections: dict[str, str], refused: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.detections = detections
        self.refused = refused

    def look(self) -> dict[str, Any] | None:
        """Ask for the status of each detection."""
        statuses = {concern: self._status(found) for concern, found in self.detections.items()}
        count = sum(status["DetectionStatus"] in ENDED for status in statuses.values())
        self.report(f"Drift detection: {count} of {len(statuses)} stacks done")
        if count == len(statuses) or time.time() >= self.deadline_at:
            reasons = {name: {"DetectionStatusReason": why} for name, why in self.refused.items()}
            return {"drift": {**statuses, **reasons}}
        return None

    def _status(self, detection_id: str) -> dict[str, str]:
        try:
            found = self.hook.conn.describe_stack_drift_detection_status(StackDriftDetectionId=detection_id)
        except ClientError as error:
            if is_transient(error):
                raise
            return {"DetectionStatus": "DETECTION_FAILED", "DetectionStatusReason": str(error)}
        names = ("DetectionStatus", "DetectionStatusReason", "StackDriftStatus")
        return {name: found[name] for name in names if name in found}
