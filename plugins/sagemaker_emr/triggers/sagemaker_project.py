"""Waits for a SageMaker project to be deleted, which is how a cluster launched from Studio ends properly."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.hooks.sagemaker import SageMakerHook, is_missing
from sagemaker_emr.triggers.base import WaitTrigger

CHANGING_STATUSES = frozenset({"Pending", "CreateInProgress", "UpdateInProgress", "DeleteInProgress"})


class SageMakerProjectDeletedTrigger(WaitTrigger):
    """Deletes a project as soon as it can be, and waits until that is over.

    A deletion that fails ends the wait too: the provisioned product is what costs, and whoever waits goes
    on to terminate that.
    """

    hook_class = SageMakerHook

    def __init__(self, *, project_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project_name = project_name

    def describe(self) -> str:
        return f"SageMaker project {self.project_name} to go"

    def look(self) -> dict[str, Any] | None:
        status = self._status()
        self.report(f"SageMaker project {self.project_name}: {status}")
        if status in ("DeleteCompleted", "DeleteFailed"):
            return {"project": self.project_name, "project_status": status}
        if status not in CHANGING_STATUSES:
            self.hook.conn.delete_project(ProjectName=self.project_name)
        return None

    def _status(self) -> str:
        try:
            return str(self.hook.conn.describe_project(ProjectName=self.project_name)["ProjectStatus"])
        except ClientError as error:
            if is_missing(error):
                return "DeleteCompleted"
            raise
