"""Somebody's word before a run does what can't be undone: asked for in the run where Airflow can ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context

from sagemaker_emr import airflow_versions
from sagemaker_emr.exceptions import ApprovalRequired
from sagemaker_emr.notifications import approval_wanted


def ask_approval(*, task_id: str, subject: str, body: str, otherwise: str) -> Any:
    """A task that succeeds once somebody has approved, and fails once somebody has not.

    :param otherwise: what to do where Airflow can ask nobody; the task fails there, at once.
    """
    if not airflow_versions.TASKS_CAN_ASK:
        return RefuseUnapprovedOperator(task_id=task_id, subject=subject, body=body, otherwise=otherwise)
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    return ApprovalOperator(
        task_id=task_id,
        subject=subject,
        body=body,
        fail_on_reject=True,
        notifiers=[approval_wanted],
        retries=0,
    )


class RefuseUnapprovedOperator(BaseOperator):
    """Fails with the question that Airflow can't ask, and with what to do instead.

    :raises ApprovalRequired: always.
    """

    template_fields: Sequence[str] = ("subject", "body")

    def __init__(self, *, subject: str, body: str, otherwise: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.subject = subject
        self.body = body
        self.otherwise = otherwise

    def execute(self, context: Context) -> None:
        raise ApprovalRequired(self.subject, reason=self.body.strip(), next_step=self.otherwise)
