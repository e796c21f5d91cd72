from __future__ import annotations

import pytest

from sagemaker_emr.task_groups.platform import choose_platform_action


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
