"""What the supervisor knows, in a file that the other commands read."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from local_stack.credentials import write_private
from local_stack.settings import Settings

REPAIR = signal.SIGUSR1
"""Tells the supervisor to start the parts again that ended."""


@dataclass
class ComponentState:
    """One process: ``exit_code`` is None while it runs, negative when a signal ended it."""

    pid: int
    started: float
    exit_code: int | None = None


@dataclass
class State:
    """The stack as its supervisor sees it. ``failure`` says what went wrong, if something did."""

    pid: int
    create_time: float
    airflow_port: int
    local_aws_port: int
    started: float
    region: str = "us-east-1"
    phase: str = "starting"
    failure: str = ""
    components: dict[str, ComponentState] = field(default_factory=dict)

    @property
    def supervisor_runs(self) -> bool:
        """Whether that very process still runs, and not another that got its id."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.create_time) < 1
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def component_runs(self, name: str) -> bool:
        """Whether a part still runs although its supervisor may not."""
        component = self.components[name]
        try:
            process = psutil.Process(component.pid)
            return process.create_time() <= component.started + 1 and process.is_running()
        except psutil.Error:
            return False

    def dead(self) -> dict[str, int]:
        """Components that ended although nobody stopped them, with their exit status."""
        return {
            name: component.exit_code
            for name, component in self.components.items()
            if component.exit_code is not None
        }


def path(settings: Settings) -> Path:
    """The state's file."""
    return settings.run / "state.json"


def write(settings: Settings, state: State) -> None:
    """Replace the file; readers see the old state or the new one."""
    write_private(path(settings), json.dumps(asdict(state), indent=1))


def read(settings: Settings) -> State | None:
    """The last written state; None when there is none."""
    try:
        content = json.loads(path(settings).read_text())
    except FileNotFoundError:
        return None
    components = {name: ComponentState(**value) for name, value in content.pop("components").items()}
    return State(**content, components=components)
