"""What we do in each state that AWS knows for a resource: one table a resource, and no state left out.

The tables stand beside what uses them. The tests hold each against the enumeration in botocore's model, so
that a state AWS adds breaks the build; a state met before that ends a task with an :class:`UnknownState`
instead of being taken for another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from sagemaker_emr.exceptions import UnknownState

Meaning = TypeVar("Meaning")


class StateTable(Generic[Meaning]):
    """The meaning of each state of one kind of resource.

    :param kind: the resource, for messages: ``stack``.
    :param service: botocore's name of the service whose model lists the states.
    :param shape: the shape of that model: ``StackStatus``.
    :param meanings: by state.
    """

    def __init__(self, kind: str, service: str, shape: str, meanings: Mapping[str, Meaning]) -> None:
        self.kind = kind
        self.service = service
        self.shape = shape
        self._meanings = dict(meanings)

    @property
    def states(self) -> frozenset[str]:
        """Every state the table knows."""
        return frozenset(self._meanings)

    def of(self, state: str, name: str) -> Meaning:
        """What a state of the named resource means.

        :raises UnknownState: AWS answers a state that the table does not have.
        """
        if state not in self._meanings:
            raise UnknownState(
                f"{self.kind.capitalize()} {name} is {state!r}, which this package does not know",
                reason=f"known are {', '.join(self._meanings)}",
                next_step=f"Read what AWS says of {self.shape} {state}. When the {self.kind} has left that "
                "state, clear this task; the state belongs into the package's table.",
            )
        return self._meanings[state]

    def where(self, holds: Callable[[Meaning], bool]) -> frozenset[str]:
        """The states whose meaning fulfils a condition."""
        return frozenset(state for state, meaning in self._meanings.items() if holds(meaning))
