from __future__ import annotations

import pytest

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.task_groups.platform import choose_platform_action, principal_arn


@pytest.mark.parametrize(
    ("action", "run_type", "chosen"),
    [
        ("auto", "manual", "deploy"),
        ("auto", "scheduled", "verify"),
        ("auto", "backfill", "verify"),
        ("verify", "manual", "verify"),
        ("deploy", "scheduled", "deploy"),
    ],
)
def test_auto_deploys_only_when_triggered_by_hand(action, run_type, chosen):
    assert choose_platform_action(action, run_type) == chosen


@pytest.mark.parametrize(
    ("caller", "principal"),
    [
        ("arn:aws:iam::123456789012:user/airflow", "arn:aws:iam::123456789012:user/airflow"),
        (
            "arn:aws-cn:sts::123456789012:assumed-role/airflow-chain/session",
            "arn:aws-cn:iam::123456789012:role/airflow-chain",
        ),
    ],
)
def test_the_principal_of_a_session_is_its_role(caller, principal):
    assert principal_arn(caller) == principal


def test_the_root_user_is_refused_with_the_way_out():
    with pytest.raises(InvalidInput, match="aws_default"):
        principal_arn("arn:aws:iam::123456789012:root")
