"""Going back after a failure, when asked to.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-continueupdaterollback.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_RollbackStack.html
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from local_aws.cloudformation.engine import Operation, start
from local_aws.cloudformation.exceptions import ValidationError
from local_aws.cloudformation.stack import Stack

if TYPE_CHECKING:
    from local_aws.cloudformation.models import CloudFormationBackend

BY_USER = "User Initiated"


def continue_update_rollback(
    backend: CloudFormationBackend, name_or_id: str, skip: Iterable[str] = ()
) -> None:
    """Go on with an update's rollback that failed.

    :raises ValidationError: the stack is in no state for it, or a resource can't be skipped.
    """
    stack, skipped = backend.get(name_or_id), frozenset(skip)
    with backend.lock:
        _check(stack, "UPDATE_ROLLBACK_FAILED")
        wrong = sorted(skipped - stack.way_back.not_undone)
        if wrong:
            raise ValidationError(
                f"Resources [{', '.join(wrong)}] can not be skipped: they are not in UPDATE_FAILED state "
                "because a rollback failed."
            )
        stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", BY_USER)
        start(stack, partial(stack.way_back.roll_back, skipped))


def roll_back(backend: CloudFormationBackend, name_or_id: str) -> Stack:
    """Undo a creation or an update that failed with its rollback switched off.

    :raises ValidationError: the stack is in no state for it.
    """
    stack = backend.get(name_or_id)
    with backend.lock:
        _check(stack, "CREATE_FAILED", "UPDATE_FAILED")
        if stack.status == "UPDATE_FAILED":
            stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", BY_USER)
            start(stack, stack.way_back.roll_back)
        else:
            stack.set_status("ROLLBACK_IN_PROGRESS", BY_USER)
            start(stack, partial(Operation(stack, backend.all_exports).undo_create, "ROLLBACK"))
    return stack


def _check(stack: Stack, *allowed: str) -> None:
    if stack.status not in allowed:
        raise ValidationError(
            f"Stack:{stack.stack_id} is in {stack.status} state and can not be rolled back."
        )
