"""CloudFormation's errors, by the codes of its API reference.

They live outside moto's package and subclass its ServiceException, whose code and message moto serializes.
"""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class CloudFormationError(ServiceException):
    """Any error of CloudFormation's API; ``str()`` is its message, as status reasons show it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __str__(self) -> str:
        return str(self.message)


class ValidationError(CloudFormationError):
    """What most bad input is answered with."""

    code = "ValidationError"


class AlreadyExists(CloudFormationError):
    """A stack or change set of that name exists."""

    code = "AlreadyExistsException"


class ChangeSetNotFound(CloudFormationError):
    """No such change set for the stack."""

    code = "ChangeSetNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(f"ChangeSet [{name}] does not exist")


class InvalidChangeSetStatus(CloudFormationError):
    """The change set can't be executed or deleted now."""

    code = "InvalidChangeSetStatus"


class InsufficientCapabilities(CloudFormationError):
    """The template makes IAM resources and the caller did not acknowledge it."""

    code = "InsufficientCapabilitiesException"


class ResourceFailed(Exception):
    """A resource could not be created, updated or deleted; ``str()`` is CloudFormation's status reason."""
