"""Stacks inside stacks, and change sets prepared in the background.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-stack.html
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.common_models import CloudFormationModel

from local_aws import clock, persistence
from local_aws.cloudformation import launch
from local_aws.cloudformation.changes import ChangeSet, Exports
from local_aws.cloudformation.exceptions import ResourceFailed, ValidationError
from local_aws.cloudformation.stack import STACK_TYPE, Stack

CHANGE_SET_SECONDS = 5.0

logger = logging.getLogger(__name__)


def prepare_in_background(change_set: ChangeSet, exports: Exports) -> None:
    """Let a change set find its changes, which takes a moment."""

    def run() -> None:
        clock.sleep(CHANGE_SET_SECONDS)
        try:
            change_set.prepare(exports)
        except ValidationError as error:
            change_set.fail(str(error))
        except Exception as error:
            logger.exception("Change set %s broke", change_set.name)
            change_set.fail(f"Internal Failure: {error}")
        persistence.touch()

    target = persistence.background(run, inside=True)
    threading.Thread(target=target, name=f"change-set-{change_set.name}", daemon=True).start()


class NestedStack(CloudFormationModel):
    """AWS::CloudFormation::Stack."""

    supported_properties = frozenset({"TemplateURL", "Parameters", "Tags", "NotificationARNs"})

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.updating = False

    @staticmethod
    def cloudformation_type() -> str:
        return STACK_TYPE

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @property
    def physical_resource_id(self) -> str:
        """The nested stack's id."""
        return self.stack.stack_id

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **kwargs: Any,
    ) -> NestedStack:
        """Start the nested stack."""
        parent = launch.backend(account_id, region_name).get(kwargs["StackId"])
        stack = launch.create_stack(
            account_id,
            region_name,
            name=resource_name,
            **_arguments(cloudformation_json["Properties"]),
            parent_id=parent.stack_id,
            root_id=parent.root_id or parent.stack_id,
        )
        return cls(stack)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: NestedStack,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> NestedStack:
        """Update the nested stack; nothing to do is fine."""
        original_resource.updating = launch.update_stack(
            account_id,
            region_name,
            name=original_resource.stack.stack_id,
            **_arguments(cloudformation_json["Properties"]),
        )
        return original_resource

    def is_created(self) -> bool:
        """Whether the nested stack is complete.

        :raises ResourceFailed: it failed.
        """
        return self._settled("created", ("CREATE_COMPLETE",))

    def is_updated(self) -> bool:
        """Whether the nested stack's update is complete.

        :raises ResourceFailed: it failed.
        """
        return not self.updating or self._settled("updated", ("UPDATE_COMPLETE",))

    def is_deleted(self) -> bool:
        """Whether the nested stack is gone.

        :raises ResourceFailed: it can't be deleted.
        """
        return self._settled("deleted", ("DELETE_COMPLETE",))

    def _settled(self, verb: str, good: tuple[str, ...]) -> bool:
        stack = self.stack
        if not stack.done.is_set():
            return False
        if stack.status not in good:
            raise ResourceFailed(
                f"Embedded stack {stack.stack_id} was not successfully {verb}: {stack.status_reason or ''}"
            )
        return True

    def delete(self, account_id: str, region_name: str) -> None:
        """Start deleting the nested stack."""
        launch.delete_stack(account_id, region_name, self.stack.stack_id)

    def get_cfn_attribute(self, name: str) -> str:
        """An output, as ``Outputs.<name>``."""
        value = self.stack.output(name.removeprefix("Outputs."))
        if not name.startswith("Outputs.") or value is None:
            raise UnformattedGetAttTemplateException
        return value


def _arguments(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "template_url": properties["TemplateURL"],
        "parameters": {
            key: ",".join(value) if isinstance(value, list) else str(value)
            for key, value in properties.get("Parameters", {}).items()
        },
        "tags": {
            tag["Key"]: tag["Value"]
            for tag in properties.get("Tags", [])
            if not tag["Key"].startswith("aws:cloudformation:")
        },
    }
