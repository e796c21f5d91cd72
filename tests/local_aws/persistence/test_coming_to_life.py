"""The next life begins with all that was in progress at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from local_aws import persistence
from local_aws.persistence import resuming
from local_aws.persistence.state import State

SECONDS = 30


class Stacks:
    """A backend whose resumed operation makes a cluster as soon as it can."""

    def __init__(self, clusters: list[str]) -> None:
        self.clusters = clusters
        self.made = threading.Event()

    def resume(self) -> dict[str, int]:
        threading.Thread(target=persistence.background(self._make), daemon=True).start()
        return {"stacks": 1}

    def _make(self) -> None:
        with persistence.change():
            self.clusters.append("new")
        self.made.set()


class Clusters:
    """A backend that goes on with whatever cluster it finds."""

    def __init__(self, stacks: Stacks) -> None:
        self.stacks = stacks

    def resume(self) -> dict[str, int]:
        assert not self.stacks.made.wait(0.2)
        return {"clusters": len(self.stacks.clusters)}


def test_a_cluster_that_a_resumed_stack_makes_is_not_resumed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks = Stacks(["old"])
    monkeypatch.setattr(resuming, "_backends", lambda: [stacks, Clusters(stacks)])
    monkeypatch.setattr(State, "restore", lambda self: {})
    monkeypatch.setattr(State, "save", lambda self: None)
    monkeypatch.setattr(persistence, "_state", State(tmp_path, persistence.gate, extra=dict))
    assert persistence.restart() == {"stacks": 1, "clusters": 1}
    assert stacks.made.wait(SECONDS)
    assert stacks.clusters == ["old", "new"]
