"""EMR's errors, by the codes of its API reference."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class EmrError(ServiceException):
    """Any error of EMR's API."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class ValidationException(EmrError):
    """What RunJobFlow and the other older operations answer bad input with."""

    code = "ValidationException"


class InvalidRequestException(EmrError):
    """What the newer operations answer bad input with."""

    code = "InvalidRequestException"


class ClusterNotFound(InvalidRequestException):
    """No such cluster in this account and Region."""

    def __init__(self, cluster_id: str) -> None:
        super().__init__(f"Cluster id '{cluster_id}' is not valid.")


class StartFailed(Exception):
    """A cluster can't start; becomes its StateChangeReason.

    :param code: one of EMR's ClusterStateChangeReasonCode.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
