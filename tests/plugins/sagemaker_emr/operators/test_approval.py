from __future__ import annotations

import pytest

from sagemaker_emr import airflow_versions
from sagemaker_emr.exceptions import ApprovalRequired
from sagemaker_emr.operators.approval import ask_approval
from tests.airflow_names import AirflowFailException, needs_answers


def ask():
    return ask_approval(
        task_id="approve",
        subject="Delete the bucket?",
        body="- raw\n- features\n",
        otherwise="Run it again with 'Allow it'.",
    )


@needs_answers
def test_somebody_is_asked_and_their_no_fails_the_run():
    task = ask()
    assert (task.subject, task.fail_on_reject, task.retries) == ("Delete the bucket?", True, 0)


def test_where_nobody_can_be_asked_the_task_fails_for_good_and_names_the_other_way(monkeypatch, context):
    monkeypatch.setattr(airflow_versions, "TASKS_CAN_ASK", False)
    task = ask()
    assert {"subject", "body"} <= {*task.template_fields}
    with pytest.raises(ApprovalRequired) as refused:
        task.execute(context)
    assert str(refused.value) == (
        "Delete the bucket?\nReason: - raw\n- features\nNext step: Run it again with 'Allow it'."
    )
    assert isinstance(refused.value, AirflowFailException)
