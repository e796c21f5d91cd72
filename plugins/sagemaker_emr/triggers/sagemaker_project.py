"""Waits for a SageMaker project to be deleted, which is how a cluster launched from Studio ends properly."""

from __future__ import annotations

from typing import Any

from sagemaker_emr.hooks.sagemaker import PROJECT_STATES, ProjectState, SageMakerHook
from sagemaker_emr.triggers.base import WaitTrigger

LEFT_ALONE = PROJECT_STATES.where(lambda state: state is not ProjectState.DELETE)


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
        project = self.hook.find("describe_project", ProjectName=self.project_name)
        status = project["ProjectStatus"] if project else "DeleteCompleted"
        self.report(f"SageMaker project {self.project_name}: {status}")
        if status not in LEFT_ALONE:  # in an unknown state too: its cluster is paid for
            self.hook.conn.delete_project(ProjectName=self.project_name)
        if PROJECT_STATES.of(status, self.project_name) is ProjectState.ENDED:
            return {"project": self.project_name, "project_status": status}
        return None
