"""A little Airflow: runs of DAGs without a database, their own tasks, against the embedded AWS.

Played as Airflow 3.3 does it: templates and XComs are rendered, mapped tasks expanded, branches skip, trigger
rules, setups and teardowns decide, a task that failed is tried again in a new operator without its XComs, a
deferred task waits in a trigger that went through serialization and resumes in a new operator, and one run
may start another. What is decided here is decided as in ``airflow/ti_deps/deps/trigger_rule_dep.py``,
``airflow/models/dagrun.py`` and ``airflow/sdk/execution_time/task_runner.py``.

Tasks and triggers run side by side, but never two of their steps at the same moment: in this process there is
one thread for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR
from airflow.sdk.definitions._internal.types import NOTSET
from airflow.sdk.definitions.param import process_params
from airflow.sdk.execution_time.context import OutletEventAccessors

from tests.airflow_names import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    DagRunTriggerException,
    DownstreamTasksSkipped,
    TaskDeferred,
)
from tests.dags import rules
from tests.plugins.sagemaker_emr.conftest import reloaded

MAX_STEPS = 200
RESCHEDULE_SECONDS = 0.01
RETURN_VALUE = "return_value"
DEFAULTS: dict[str, dict[str, Any]] = {}
"""What the params of each DAG were before its first run."""


class ProcessDied(BaseException):
    """The process that runs a task or a trigger is gone: nothing of it handles this."""


class TriggerFailed(BaseException):
    """A trigger ends with an error of its own, as where its code is broken."""


@dataclass
class Process:
    """A worker that runs one try of a task up to its end or its deferral, or a triggerer with one trigger.

    :ivar alive: False from the moment it died: nothing that it still does reaches anybody.
    """

    run: Run
    task_id: str
    try_number: int
    is_triggerer: bool = False
    alive: bool = True


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
"""Which process the code belongs to that runs just now."""


class Observer:
    """Who looks on, and may interfere: by raising :class:`ProcessDied` or :class:`TriggerFailed`."""

    def starts(self, process: Process, operator: Any) -> None:
        """An operator executes or resumes now."""

    def looked(self, process: Process, result: Any) -> None:
        """A trigger has looked at what it waits for; None is to look again."""

    def stores(self, process: Process, state: str) -> None:
        """The result of an operator's step is stored now: XComs, the end, the deferral.

        :param state: that the task is in then.
        """

    def calls(self, process: Process, name: str, send: Callable[[], Any]) -> Any:
        """A process asks Airflow itself for something."""
        return send()

    def ends(self, process: Process, state: str, result: Any) -> None:
        """A task has ended."""


class XComs:
    """What tasks said, by task, map index and key."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, int], dict[str, Any]] = {}

    def push(self, task_id: str, map_index: int, key: str, value: Any) -> None:
        self._values.setdefault((task_id, map_index), {})[key] = json.loads(json.dumps(value))

    def pull(self, task_id: str, key: str, default: Any) -> Any:
        return self._values.get((task_id, -1), {}).get(key, default)

    def pull_all(self, task_id: str, key: str) -> list[Any]:
        """Of each map index that has one."""
        found = sorted(self._values.items())
        return [values[key] for (task, _), values in found if task == task_id and key in values]

    def clear(self, task_id: str, map_index: int) -> None:
        self._values.pop((task_id, map_index), None)


class TaskInstance(SimpleNamespace):
    """A task instance as far as operators, templates and XComArgs look at it."""

    def xcom_push(self, key: str, value: Any) -> None:
        self.run.xcoms.push(self.task_id, self.map_index, key, value)

    def xcom_pull(
        self,
        task_ids: str | list[str] | None = None,
        key: str = RETURN_VALUE,
        default: Any = None,
        map_indexes: Any = NOTSET,
        **_: Any,
    ) -> Any:
        if isinstance(task_ids, list):
            return [value for task_id in task_ids for value in self.run.xcoms.pull_all(task_id, key)]
        return self.run.xcoms.pull(task_ids or self.task_id, key, default)

    def get_task_states(
        self, dag_id: str, task_ids: list[str] | None = None, run_ids: list[str] | None = None
    ) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for run_id in run_ids or [self.run_id]:
            if (dag_id, run_id) == (self.dag_id, self.run_id):
                found[run_id] = {
                    task: self.run.states.get(task) for task in task_ids or self.run.dag.task_ids
                }
            elif tasks := self.run.others.get((dag_id, run_id), {}).get("tasks"):
                found[run_id] = tasks
        return found

    def get_dr_count(self, dag_id: str, run_ids: list[str], states: list[str] | None = None) -> int:
        others = self.run.others
        known = [others[dag_id, run_id] for run_id in run_ids if (dag_id, run_id) in others]
        return sum(states is None or run["state"] in states for run in known)

    def get_dag(self, dag_id: str) -> SimpleNamespace:
        return SimpleNamespace(dag_id=dag_id, is_paused=False)

    def get_first_reschedule_date(self, context: Any) -> None:
        return None


@dataclass(eq=False)
class Run:
    """One run of a DAG.

    :param form: what the form says beside the params' defaults.
    :ivar states: of tasks that have ended, by task.
    :ivar errors: what made the last try of a task fail, by task.
    :ivar events: asset events of tasks that succeeded: the asset's name and a partition key.
    :ivar tries: how often each task was begun.
    :param others: what Airflow knows of other runs, by DAG and run: ``state``, and ``tasks`` with theirs.
    """

    dag: Any
    form: dict[str, Any]
    run_id: str = "manual__2013-02-14"
    run_type: str = "manual"
    logical_date: Any = None
    partition_key: str | None = None
    others: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    xcoms: XComs = field(default_factory=XComs)
    states: dict[str, str] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    skipped_by_branch: set[str] = field(default_factory=set)
    tries: Counter[str] = field(default_factory=Counter)
    _checked: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Airflow writes a form's values into the DAG's own params: the next run is to find the defaults.
        self.form = {**DEFAULTS.setdefault(self.dag.dag_id, self.dag.params.dump()), **self.form}

    @property
    def state(self) -> str:
        """As ``DagRun.update_state`` judges a run: by its effective leaves."""
        return rules.run_state(self.dag, self.states)

    def context(self, task: Any, map_index: int, try_number: int) -> dict[str, Any]:
        ti = TaskInstance(
            dag_id=self.dag.dag_id,
            run_id=self.run_id,
            task_id=task.task_id,
            task=task,
            map_index=map_index,
            try_number=try_number,
            run=self,
        )
        dag_run = SimpleNamespace(
            run_type=self.run_type,
            conf=self.form,
            run_id=self.run_id,
            logical_date=self.logical_date,
            partition_key=self.partition_key,
        )
        return {
            "ti": ti,
            "task_instance": ti,
            "task": task,
            "dag": self.dag,
            "dag_run": dag_run,
            "run_id": self.run_id,
            "params": self._params(task),
            "outlet_events": OutletEventAccessors(),
            "triggering_asset_events": {},
        }

    def _params(self, task: Any) -> dict[str, Any]:
        """The form, checked once for all tasks without params of their own: jsonschema is slow."""
        key = repr(sorted((name, task.params.get_param(name).value) for name in task.params))
        if key not in self._checked:
            self._checked[key] = process_params(self.dag, task, self.form, suppress_exception=False)
        return dict(self._checked[key])

    def map_indexes(self, task: Any) -> Iterable[int]:
        if not task.is_mapped:
            return [-1]
        context = self.context(task, 0, 1)
        expanded = task._get_specified_expand_input().value
        return range(min(len(v.resolve(context) if hasattr(v, "resolve") else v) for v in expanded.values()))


@dataclass(frozen=True)
class Step:
    """What became of one step of a task: it ended, waits, or is to be looked at again."""

    state: str
    result: Any = None
    error: BaseException | None = None
    deferred: TaskDeferred | None = None


class Airflow:
    """Plays runs to their ends.

    :param dags: by id; a run may start runs of the others.
    :param slots: how many tasks run at once, deferred ones included.
    :param retry: whether a task that failed is tried again; else its error ends everything.
    :param deferrable: what the operators' own parameter is set to; None leaves it.
    :param reverse: of tasks that could run, the last one of the DAG begins.
    """

    def __init__(
        self,
        dags: dict[str, Any],
        observer: Observer | None = None,
        *,
        slots: int = 1000,
        retry: bool = True,
        deferrable: bool | None = None,
        reverse: bool = False,
    ) -> None:
        self.dags = dags
        self.observer = observer or Observer()
        self.slots = slots
        self.retry = retry
        self.deferrable = deferrable
        self.reverse = reverse
        self.runs: dict[tuple[str, str], Run] = {}
        self.moved_triggers = 0
        self._to_move = False
        self._moving: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._playing: dict[asyncio.Task[str], tuple[Run, Any]] = {}

    def start(self, run: Run) -> Run:
        """Queue a run.

        :raises ValueError: there is one with its id.
        """
        key = run.dag.dag_id, run.run_id
        if key in self.runs:
            raise ValueError(f"{key} exists")
        self.runs[key] = run
        return run

    def play(self) -> None:
        """Until every run has ended, and every run that these start."""
        asyncio.run(self._play())

    def move_triggers(self) -> None:
        """The triggerer ends in peace, and another takes over: one of its triggers, or else the next one.

        Airflow calls ``cleanup`` then, and no ``on_kill``.
        """
        self._to_move = True
        if self._moving is not None:
            loop, moving = self._moving
            loop.call_soon_threadsafe(moving.set)

    async def _play(self) -> None:
        with ThreadPoolExecutor(1) as thread:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(thread)
            self._moving = loop, asyncio.Event()
            try:
                while self._begin() or self._playing:
                    if not self._playing:
                        continue  # what was settled may settle more
                    done, _ = await asyncio.wait(self._playing, return_when=asyncio.FIRST_COMPLETED)
                    for one in done:
                        run, task = self._playing.pop(one)
                        run.states[task.task_id] = one.result()
            finally:
                for one in self._playing:
                    one.cancel()
                await asyncio.gather(*self._playing, return_exceptions=True)

    def _begin(self) -> bool:
        """Begin what may begin, and settle what never will; whether anything was settled."""
        settled = False
        for run in list(self.runs.values()):
            playing = {task.task_id for other, task in self._playing.values() if other is run}
            tasks = list(run.dag.topological_sort())
            for task in reversed(tasks) if self.reverse else tasks:
                if task.task_id in run.states or task.task_id in playing:
                    continue
                decided = rules.decide(task, run.states, run.skipped_by_branch)
                if decided == rules.RUN and len(self._playing) < self.slots:
                    self._playing[asyncio.create_task(self._play_task(run, task))] = run, task
                elif decided not in (rules.RUN, rules.WAIT):
                    run.states[task.task_id] = decided
                    settled = True
        return settled

    async def _play_task(self, run: Run, task: Any) -> str:
        states = [await self._play_instance(run, task, index) for index in run.map_indexes(task)]
        return next((state for state in ("failed", "skipped") if state in states), "success")

    async def _play_instance(self, run: Run, task: Any, map_index: int) -> str:
        for try_number in range(1, (task.retries or 0) + 2):
            step = await self._play_try(run, task, map_index, try_number)
            if step.error is not None:
                if not self.retry:
                    raise step.error
                run.errors[task.task_id] = step.error
            final = isinstance(step.error, AirflowFailException | AirflowSensorTimeout)
            if step.state != "failed" or final:
                return step.state
        return "failed"

    async def _play_try(self, run: Run, task: Any, map_index: int, try_number: int) -> Step:
        run.xcoms.clear(task.task_id, map_index)
        run.tries[task.task_id] += 1
        method, kwargs = "execute", {}
        for _ in range(MAX_STEPS):
            process = Process(run, task.task_id, try_number)
            context = run.context(task, map_index, try_number)
            PROCESS.set(process)
            step = await asyncio.to_thread(self._step, process, task, context, method, kwargs)
            if step.state == "up_for_reschedule":
                await asyncio.sleep(RESCHEDULE_SECONDS)
            elif step.deferred is not None:
                method, kwargs = await self._wait(process, step.deferred)
            else:
                return step
        raise AssertionError(f"{task.task_id} took more than {MAX_STEPS} steps")

    # A worker

    def _step(self, process: Process, task: Any, context: Any, method: str, kwargs: dict[str, Any]) -> Step:
        """A step of a task in a worker of its own, and what Airflow stores of it."""
        try:
            step = self._run(process, task, context, method, kwargs)
            self.observer.stores(process, step.state)
            self._store(context, step)
        except ProcessDied as died:
            process.alive = False
            return Step("failed", error=died)
        if step.deferred is None and step.state != "up_for_reschedule":
            self.observer.ends(process, step.state, step.result)
        return step

    def _run(self, process: Process, task: Any, context: Any, method: str, kwargs: dict[str, Any]) -> Step:
        try:
            operator = self._operator(task, context)
            self.observer.starts(process, operator)
            if operator._pre_execute_hook is not None:
                operator._pre_execute_hook(context)
            if method == "execute":
                return Step("success", operator.execute(context))
            return Step("success", operator.resume_execution(method, kwargs, context))
        except TaskDeferred as deferred:
            return Step("deferred", deferred=deferred)
        except AirflowRescheduleException:
            return Step("up_for_reschedule")
        except AirflowSkipException:
            return Step("skipped")
        except DownstreamTasksSkipped as skipped:
            tasks = [each if isinstance(each, str) else each[0] for each in skipped.tasks]
            process.run.skipped_by_branch.update(tasks)
            return Step("success")
        except DagRunTriggerException as triggered:
            return self._start_other(process, triggered)
        except Exception as error:
            return Step("failed", error=error)

    def _operator(self, task: Any, context: dict[str, Any]) -> Any:
        """A fresh, rendered operator, as a new process has it."""
        operator = task.prepare_for_execution()
        context["task"] = context["ti"].task = operator
        operator.render_template_fields(context)
        operator = context["ti"].task
        if self.deferrable is not None and hasattr(operator, "deferrable"):
            operator.deferrable = self.deferrable
        return operator

    def _start_other(self, process: Process, asked: DagRunTriggerException) -> Step:
        run = Run(self.dags[asked.trigger_dag_id], asked.conf or {}, asked.dag_run_id)

        def send() -> bool:
            with contextlib.suppress(ValueError):
                self.start(run)
                return True
            return False

        if self.observer.calls(process, "TriggerDagRun", send):
            return Step("success")
        if asked.skip_when_already_exists:
            return Step("skipped")
        return Step("failed", error=AirflowFailException(f"Dag Run {asked.dag_run_id} already exists"))

    def _store(self, context: dict[str, Any], step: Step) -> None:
        ti, operator = context["ti"], context["ti"].task
        if step.state != "success":
            return
        if step.result is not None and operator.do_xcom_push:
            ti.xcom_push(RETURN_VALUE, step.result)
            if operator.multiple_outputs:
                for key, value in step.result.items():
                    ti.xcom_push(key, value)
        events = context["outlet_events"]
        ti.run.events += [
            (asset.name, key)
            for asset in events
            for key in sorted(getattr(events[asset], "partition_keys", ()))  # not before Airflow 3.2
        ]

    # A triggerer

    async def _wait(self, process: Process, deferred: TaskDeferred) -> tuple[str, dict[str, Any]]:
        """The method and the arguments to resume with, once the trigger has fired, here or elsewhere."""
        while True:
            triggerer = Process(process.run, process.task_id, process.try_number, is_triggerer=True)
            PROCESS.set(triggerer)
            trigger = reloaded(deferred.trigger)
            looked = self._watch(triggerer, trigger)
            firing = asyncio.create_task(self._fire(trigger))
            stopping = asyncio.create_task(self._moved(looked))
            try:
                await asyncio.wait({firing, stopping}, return_when=asyncio.FIRST_COMPLETED)
                event = firing.result() if firing.done() else None
                if not self._to_move:
                    return deferred.method_name, {**(deferred.kwargs or {}), "event": event}
                # What it may have found, it found too late to tell.
                self._to_move = False
                self.moved_triggers += 1
            except ProcessDied:
                triggerer.alive = False
            except (Exception, TriggerFailed) as error:
                if not self.retry:
                    raise
                return TRIGGER_FAIL_REPR, {"error": f"{type(error).__name__}: {error}"}
            finally:
                for one in (firing, stopping):
                    one.cancel()
                await asyncio.gather(firing, stopping, return_exceptions=True)
            await trigger.cleanup()

    def _watch(self, triggerer: Process, trigger: Any) -> asyncio.Event:
        """Tell of each look of our own triggers; the event is set by the first."""
        looked, loop = asyncio.Event(), asyncio.get_running_loop()
        look = getattr(trigger, "look_tolerantly", None)
        if look is None:
            looked.set()
            return looked

        def look_watched() -> Any:
            result = look()
            self.observer.looked(triggerer, result)
            loop.call_soon_threadsafe(looked.set)
            return result

        trigger.look_tolerantly = look_watched
        return looked

    async def _moved(self, looked: asyncio.Event) -> None:
        """Returns where a trigger is to be taken over, once it has looked."""
        await looked.wait()
        while not self._to_move:
            assert self._moving is not None
            self._moving[1].clear()
            await self._moving[1].wait()

    async def _fire(self, trigger: Any) -> Any:
        """The payload of a trigger's event, as the task gets it."""
        events: AsyncIterator[Any] = trigger.run()
        async for event in events:
            return json.loads(json.dumps(event.payload))
        raise AirflowException("the trigger ended without an event")


def play(
    dag: Any,
    form: dict[str, Any],
    *,
    on_task: Callable[[Any], None] = lambda operator: None,
    deferrable: bool = True,
    retry: bool = False,
    others: dict[tuple[str, str], dict[str, Any]] | None = None,
) -> Run:
    """One run, task by task, up to its end or, unless ``retry``, to the first error, which is raised.

    :param on_task: called with each operator before it executes or resumes, and with None at the end.
    :param others: see :class:`Run`.
    """

    class Watching(Observer):
        def starts(self, process: Process, operator: Any) -> None:
            on_task(operator)

    airflow = Airflow({dag.dag_id: dag}, Watching(), slots=1, retry=retry, deferrable=deferrable)
    run = airflow.start(Run(dag, form, others=others or {}))
    try:
        airflow.play()
    finally:
        on_task(None)
    return run
