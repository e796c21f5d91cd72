"""What can be wrong with the stacks."""

from __future__ import annotations

from functools import partial

from sagemaker_emr.checks.platform import STACKS
from sagemaker_emr.names import stack_name
from tests.plugins.sagemaker_emr.checks.mutations.registry import mutation


def _with_status(p, concern, status):
    name = stack_name(p.environment, concern)

    def alter(answer):
        for stack in answer["Stacks"]:
            if stack["StackName"] == name:
                stack["StackStatus"] = status

    with p.answering("DescribeStacks", alter):
        yield name


for _concern in STACKS:
    mutation("stacks_usable", "deploy_platform", name=f"{_concern}_stack_stuck")(
        partial(_with_status, concern=_concern, status="UPDATE_ROLLBACK_FAILED")
    )
