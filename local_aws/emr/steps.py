"""A cluster's steps: what is accepted, and how they run one after the other.

https://docs.aws.amazon.com/emr/latest/APIReference/API_AddJobFlowSteps.html
https://docs.aws.amazon.com/emr/latest/APIReference/API_StepConfig.html
https://docs.aws.amazon.com/emr/latest/APIReference/API_CancelSteps.html

StepConcurrencyLevel is 1, as it is by default. The way from PENDING to RUNNING takes ``START_SECONDS`` of
AWS's time, for which AWS documents no value; the work itself is real and takes as long as it takes.
"""

from __future__ import annotations

import logging
import random
import string
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any, Protocol

from moto.core.utils import utcnow

from local_aws import clock, persistence
from local_aws.emr.exceptions import InvalidRequestException, ValidationException

START_SECONDS = 5
NEWS_SECONDS = 1.0
LOOK_SECONDS = 0.05
MAX_STEPS = 256
MAX_CHARACTERS = 10_240
COMMAND_RUNNER = "command-runner.jar"
SPARK_SUBMIT = ("spark-submit", "/usr/bin/spark-submit", "/usr/lib/spark/bin/spark-submit")
NEEDS_YARN = {("--master", "yarn"), ("--deploy-mode", "cluster")}
STEP_PARAMETERS = {"ActionOnFailure", "HadoopJarStep", "Name"}
HADOOP_JAR_PARAMETERS = {"Args", "Jar"}
# AWS documents no default; this is moto's.
DEFAULT_ACTION = "TERMINATE_CLUSTER"
TERMINATE = ("TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW")

ACTIVE = ("PENDING", "RUNNING", "CANCEL_PENDING")

log = logging.getLogger(__name__)


class Work(Protocol):
    """The program behind a running step."""

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""

    def stop(self) -> None:
        """End it; returns once it is gone."""

    def finish(self, outcome: str) -> str | None:
        """Bring its logs to where EMR archives them; the URI of its standard error, if there is one."""


class Step:
    """One step.

    :param asked: a checked StepConfig.
    """

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self.id = "s-" + "".join(random.choices(string.ascii_uppercase + string.digits, k=13))
        self.name: str = asked["Name"]
        self.action_on_failure: str = asked.get("ActionOnFailure", DEFAULT_ACTION)
        self.args: list[str] = asked["HadoopJarStep"]["Args"]
        self.state = "PENDING"
        self.cancelled = threading.Event()
        self._message = ""
        self._failure: dict[str, str] = {}
        self._times = {"CreationDateTime": utcnow()}

    def to(self, state: str, message: str = "") -> None:
        """Enter a state; an ended step stays ended."""
        if self.state not in ACTIVE:
            return
        self.state, self._message = state, message
        if state == "RUNNING":
            self._times["StartDateTime"] = utcnow()
        if state not in ACTIVE:
            self._times["EndDateTime"] = utcnow()

    def fail(self, log_file: str | None) -> None:
        """End as FAILED; EMR names "Unknown Error." where it can't tell the cause, as is always so here."""
        self._failure = {"Reason": "Unknown Error.", **({"LogFile": log_file} if log_file else {})}
        self.to("FAILED")

    def describe(self) -> dict[str, Any]:
        """As DescribeStep and ListSteps show it."""
        return {
            "Id": self.id,
            "Name": self.name,
            "Config": {"Jar": COMMAND_RUNNER, "Properties": {}, "Args": self.args},
            "ActionOnFailure": self.action_on_failure,
            "Status": {
                "State": self.state,
                "StateChangeReason": {"Message": self._message} if self._message else {},
                **({"FailureDetails": self._failure} if self._failure else {}),
                "Timeline": dict(self._times),
            },
        }


class Steps:
    """The steps of one cluster; they begin to run when the cluster does.

    :param begin: starts the program of a step.
    """

    def __init__(self, name: str, begin: Callable[[Step], Work]) -> None:
        self._begin = begin
        self._steps: list[Step] = []
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._name = name
        self._thread: threading.Thread | None = None
        self.ends_cluster = False
        """Whether a step failed that is to take the cluster with it."""

    def add(self, asked: Iterable[Mapping[str, Any]]) -> list[str]:
        """Append steps; their ids.

        :raises ValidationException: more than 256 are active; none is added then.
        """
        steps = [Step(each) for each in asked]
        with self._lock:
            if sum(step.state in ACTIVE for step in self._steps) + len(steps) > MAX_STEPS:
                raise ValidationException(
                    f"Maximum number of active steps (State = 'Running', 'Pending' or 'Cancel_Pending') for "
                    f"cluster exceeded: at most {MAX_STEPS} are allowed."
                )
            self._steps += steps
        self._news.set()
        return [step.id for step in steps]

    def find(self, step_id: str) -> Step:
        """A step by its id.

        :raises InvalidRequestException: there is none.
        """
        for step in self._steps:
            if step.id == step_id:
                return step
        raise InvalidRequestException(f"Step id '{step_id}' is not valid.")

    def listed(self, ids: list[str] | None, states: list[str] | None) -> list[Step]:
        """Steps as ListSteps gives them: the newest first, unless they are asked for by id or state.

        :raises InvalidRequestException: one of the ids does not exist.
        """
        if ids:
            return [step for step in map(self.find, ids) if not states or step.state in states]
        found = [step for step in list(self._steps) if not states or step.state in states]
        return found if states else found[::-1]

    def cancel(self, ids: list[str]) -> list[dict[str, str]]:
        """CancelSteps: a step that waits is cancelled now, one that runs soon; the answer for each."""
        answers = []
        for step in map(self.find, ids):
            with self._lock:
                if step.state == "PENDING":
                    step.to("CANCELLED", "Cancelled by user")
                elif step.state == "RUNNING":
                    step.to("CANCEL_PENDING")
                    step.cancelled.set()
                refused = step.state not in (*ACTIVE, "CANCELLED")
            if refused:
                reason = f"A step that is {step.state} can't be cancelled."
                answers.append({"StepId": step.id, "Status": "FAILED", "Reason": reason})
            else:
                answers.append({"StepId": step.id, "Status": "SUBMITTED"})
        return answers

    @property
    def are_active(self) -> bool:
        """Whether one runs or waits."""
        return any(step.state in ACTIVE for step in list(self._steps))

    def start(self) -> None:
        """The cluster runs: begin with the first."""
        run = persistence.background(self._run)
        self._thread = threading.Thread(target=run, name=self._name, daemon=True)
        self._thread.start()

    def resume(self) -> None:
        """The cluster runs again after a crash of the server: what ran then has ended, nobody knows how."""
        with persistence.change(), self._lock:
            for step in self._steps:
                if step.state == "CANCEL_PENDING":
                    step.to("CANCELLED", "Cancelled by user")
            interrupted = [step for step in self._steps if step.state == "RUNNING"]
            for step in interrupted:
                step.fail(None)
        for step in interrupted:
            self._after_failure(step)
        self.start()

    def stop(self) -> None:
        """The cluster ends: so does what runs, and what waits is cancelled."""
        self._stopped.set()
        self._news.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()
        self._cancel_waiting("Job terminated")

    # In the thread of the steps

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._news.clear()
            step = next((each for each in list(self._steps) if each.state == "PENDING"), None)
            if step is None:
                with persistence.waiting():
                    self._news.wait(NEWS_SECONDS)
            elif not clock.wait(self._stopped, START_SECONDS):
                self._run_step(step)

    def _run_step(self, step: Step) -> None:
        with persistence.change(), self._lock:
            if step.state != "PENDING":
                return
            step.to("RUNNING")
        try:
            status, log_file = self._work(step)
        except Exception:
            log.exception("step %s", step.id)
            status, log_file = 1, None
        with persistence.change(), self._lock:
            if status is None:
                step.to("CANCELLED", "Job terminated" if self._stopped.is_set() else "Cancelled by user")
            elif status == 0:
                step.to("COMPLETED")
            else:
                step.fail(log_file)
        if step.state == "FAILED":
            self._after_failure(step)

    def _after_failure(self, step: Step) -> None:
        if step.action_on_failure != "CONTINUE":
            self._cancel_waiting("Job terminated")
            self.ends_cluster = step.action_on_failure in TERMINATE

    def _work(self, step: Step) -> tuple[int | None, str | None]:
        """Exit status, None for a step that was cancelled, and where its standard error is archived."""
        work = self._begin(step)
        while (status := work.poll()) is None and not self._stopped.is_set():
            if step.cancelled.wait(LOOK_SECONDS):
                break
        if status is None:
            work.stop()
        return status, work.finish("was cancelled" if status is None else f"ended with exit code {status}")

    def _cancel_waiting(self, message: str) -> None:
        with persistence.change(), self._lock:
            for step in self._steps:
                if step.state == "PENDING":
                    step.to("CANCELLED", message)


def check(asked: Iterable[Mapping[str, Any]], applications: Iterable[Mapping[str, str]]) -> None:
    """Refuse what EMR refuses at once, and what can't be played.

    :param applications: of the cluster.
    :raises ValidationException: naming what is refused, and why.
    """
    has_spark = any(application["Name"] == "Spark" for application in applications)
    for step in asked:
        _only(STEP_PARAMETERS, step, "Steps.")
        jar = step["HadoopJarStep"]
        _only(HADOOP_JAR_PARAMETERS, jar, "Steps.HadoopJarStep.")
        args = jar.get("Args", [])
        if len(jar["Jar"]) + sum(map(len, args)) > MAX_CHARACTERS:
            raise ValidationException(
                f"The string values of HadoopJarStep exceed {MAX_CHARACTERS} characters."
            )
        if jar["Jar"] != COMMAND_RUNNER:
            raise ValidationException(
                f"Jar {jar['Jar']} is not played by local_aws: its nodes have no Hadoop to run it with, only "
                f"{COMMAND_RUNNER} with spark-submit."
            )
        if not args or args[0] not in SPARK_SUBMIT:
            raise ValidationException(
                f"{COMMAND_RUNNER} {args[0] if args else ''} is not played by local_aws, only spark-submit."
            )
        if not has_spark:
            raise ValidationException("The cluster has no spark-submit: Spark is not among its Applications.")
        if refused := NEEDS_YARN & {*pairwise(args), *(tuple(each.split("=", 1)) for each in args)}:
            raise ValidationException(
                f"spark-submit {' '.join(refused.pop())} is not played by local_aws: its nodes have no YARN. "
                "Leave --master and --deploy-mode to the cluster's configuration."
            )


def _only(known: set[str], given: Iterable[str], prefix: str) -> None:
    if unknown := sorted(set(given) - known):
        raise ValidationException(f"{prefix}{unknown[0]} is not played by local_aws.")
