"""The states that everything in Studio passes through, by the scaled clock.

https://docs.aws.amazon.com/sagemaker/latest/dg/sm-domain.html
"""

from __future__ import annotations

import time

from moto.core.utils import utcnow

from local_aws import clock


class Lifecycle:
    """Pending, then InService, Updating for a while when changed, then Deleting until it is gone.

    :param pending_seconds: how long AWS takes to create it.
    """

    def __init__(self, pending_seconds: float) -> None:
        self.creation_time = self.last_modified_time = utcnow()
        self._passing = "Pending"
        self._until = time.monotonic() + clock.here(pending_seconds)

    @property
    def status(self) -> str:
        """The state now."""
        if self._passing == "Deleting" or time.monotonic() < self._until:
            return self._passing
        return "InService"

    @property
    def gone(self) -> bool:
        """Whether the deletion is over."""
        return self._passing == "Deleting" and time.monotonic() >= self._until

    def update(self, seconds: float) -> None:
        """Be Updating for a span of AWS's time."""
        self._enter("Updating", seconds)

    def delete(self, seconds: float) -> None:
        """Be Deleting for a span of AWS's time."""
        self._enter("Deleting", seconds)

    def _enter(self, state: str, seconds: float) -> None:
        self._passing = state
        self._until = time.monotonic() + clock.here(seconds)
        self.last_modified_time = utcnow()

    def times(self) -> dict[str, object]:
        """The members that every description has."""
        return {
            "Status": self.status,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
        }
