"""Waits until what a deleted Studio domain left in its VPC is gone."""

from __future__ import annotations

from typing import Any

from sagemaker_emr.hooks.sagemaker_domain import DomainLeftoversHook
from sagemaker_emr.triggers.base import WaitTrigger


class SageMakerDomainLeftoversTrigger(WaitTrigger):
    """Deletes what a deleted domain left in its VPC, until nothing is left that should go."""

    hook_class = DomainLeftoversHook

    def __init__(self, *, domain_id: str, delete_files: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.domain_id = domain_id
        self.delete_files = delete_files

    def describe(self) -> str:
        return f"leftovers of domain {self.domain_id}"

    def look(self) -> dict[str, Any] | None:
        remaining = self.hook.remove(self.domain_id, delete_files=self.delete_files)
        if remaining:
            self.report(f"Being deleted: {'; '.join(remaining)}")
            return None
        return {"kept": [] if self.delete_files else self.hook.file_systems(self.domain_id)}
