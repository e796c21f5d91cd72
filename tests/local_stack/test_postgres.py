"""Starting PostgreSQL after it was killed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from local_stack import postgres
from local_stack.settings import Settings, StackError


class Refusing:
    """A server that pg_ctl could not start so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def start(self) -> None:
        if self.left:
            self.left -= 1
            raise subprocess.CalledProcessError(1, "pg_ctl")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(postgres.time, "sleep", lambda _: None)
    return Settings(home=tmp_path)


def test_a_server_whose_killed_predecessor_still_holds_memory_is_started_once_it_does_not(
    settings: Any,
) -> None:
    server = Refusing(3)
    postgres._start(server, settings)
    assert server.left == 0


def test_a_server_that_never_starts_is_told_with_its_log(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "ORPHANS_SECONDS", 0.0)
    with pytest.raises(StackError, match=r"its log: .*/postgres/log"):
        postgres._start(Refusing(10**9), settings)
