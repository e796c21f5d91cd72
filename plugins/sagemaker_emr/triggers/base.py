"""One way to wait, shared by the triggerer and the worker.

A trigger looks at one AWS resource with an ordinary, blocking call. The triggerer runs those calls in
threads; a task that may not defer runs the same loop itself. So both behave alike, by construction.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import random
import threading
import time
from abc import abstractmethod
from asyncio import ensure_future
from asyncio import wait as wait_for_tasks
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_futures
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from airflow.triggers.base import BaseTrigger, TriggerEvent
from botocore.exceptions import BotoCoreError, ClientError
from botocore.waiter import WaiterModel
from requests import exceptions as requests_exceptions

from sagemaker_emr.costs.budget import SpentAt, end_of, used_up
from sagemaker_emr.exceptions import DeadlineExceeded, SageMakerEmrError, SensorDeadlineExceeded
from sagemaker_emr.hooks.base import AwsHook
from sagemaker_emr.transient import is_transient

FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 15.0
DELAY_SHARE = 0.1
DELAY_JITTER = 0.1

LAST_LOOK_SECONDS = 10.0
"""What a look gets at least: a trigger reloaded after its deadline is to see what was reached meanwhile."""
STOP_SECONDS = 25.0
"""How long a stop that fails is tried again. Airflow gives a trigger's ``on_kill`` 30 s (``[triggerer]
on_kill_timeout``). A worker's process gets SIGKILL 5 s after the SIGTERM that calls ``on_kill``."""

KILL_CHECK_SECONDS = 0.5

_stops = ThreadPoolExecutor(max_workers=16, thread_name_prefix="stop")
"""Of their own: looks at a service that does not answer may hold every thread of the event loop's pool."""

Result = TypeVar("Result")

_POLL_ERRORS = (BotoCoreError, ClientError, ConnectionError, requests_exceptions.RequestException)


def poll_delays() -> Iterator[float]:
    """Seconds between two looks: a tenth of what was waited so far, from half a second to 15 seconds.

    So an answer is noticed at most a tenth late, and a long wait costs few calls.
    """
    waited = 0.0
    while True:
        delay = min(max(FIRST_DELAY_SECONDS, waited * DELAY_SHARE), MAX_DELAY_SECONDS)
        waited += delay
        yield delay * random.uniform(1 - DELAY_JITTER, 1 + DELAY_JITTER)


def surely(call: Callable[[], Result], what: str, log: Any, seconds: float) -> Result:
    """Call, again and again while that fails for a cause that may pass, but for so many seconds only.

    :param call: may be called again at any time.
    :param what: is done, for the log.
    :raises Exception: what the last call raised.
    """
    give_up_at = time.monotonic() + seconds
    for delay in poll_delays():
        try:
            return call()
        except _POLL_ERRORS as error:
            if not is_transient(error) or time.monotonic() + delay >= give_up_at:
                raise
            log.warning("%s failed, will try again: %s", what, error)
        time.sleep(delay)
    raise AssertionError("poll_delays never ends")


def stop_surely(stop: Callable[[], None], what: str, log: Any) -> None:
    """Stop some work, for as long as a kill may take; see :func:`surely`."""
    surely(stop, f"Stopping {what}", log, STOP_SECONDS)


class WaitTrigger(BaseTrigger):
    """Waits until one resource reaches a state, until it can't any more, or until the deadline.

    A subclass implements :meth:`look` and, where the work waited for should not outlive the wait,
    :meth:`stop`. Its constructor stores each parameter under the parameter's own name; they are what is
    serialized.

    :param deadline_at: when to give up, in seconds since the epoch. Absolute, so that a trigger reloaded
        by another triggerer keeps it.
    :param deadline_is_final: whether a passed deadline fails the task at once, as a sensor's does.
    :param budget: when the cluster that is waited for, or on, has used up its run's budget: an end like the
        deadline. :meth:`WaitingMixin.wait_for` gives it.
    """

    hook_class: ClassVar[type[AwsHook]]
    waits_for: ClassVar[str] = "a state"

    def __init__(
        self,
        *,
        deadline_at: float,
        deadline_is_final: bool = False,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        budget: SpentAt | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.deadline_at = deadline_at
        self.deadline_is_final = deadline_is_final
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.budget = budget
        self._last_status: str | None = None
        self._last_failure: Exception | None = None
        self._at_deadline = threading.Lock()
        self._killed = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = {
            name
            for cls in type(self).__mro__
            if issubclass(cls, WaitTrigger)
            for name, parameter in inspect.signature(cls.__init__).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }
        classpath = f"{type(self).__module__}.{type(self).__qualname__}"
        return classpath, {name: getattr(self, name) for name in sorted(names)}

    @cached_property
    def hook(self) -> Any:
        """The hook of :attr:`hook_class`, with the connection settings of the task that waits."""
        return self.hook_class(**self.connection)

    @property
    def connection(self) -> dict[str, Any]:
        """Keyword arguments for any AWS hook."""
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "config": self.botocore_config,
        }

    @abstractmethod
    def look(self) -> dict[str, Any] | None:
        """Look once. May block.

        :return: the result once the state is reached, or None while it may still be.
        :raises SageMakerEmrError: the state can't be reached any more.
        """

    def stop(self) -> None:
        """Stop the work waited for. Called when the task is killed and when the deadline passes.

        Not overridden where the work should outlive the wait. It may be called again at any time: what has
        ended, or is not there yet, is no error.
        """

    @property
    def stops_the_work(self) -> bool:
        """Whether the work waited for is not to outlive the wait."""
        return type(self).stop is not WaitTrigger.stop

    def kill(self) -> None:
        """Stop the work, and end the :meth:`wait` that may be under way in this thread; it never raises.

        What could not be stopped is left to who comes next: the task's next try, or a teardown.
        """
        self._killed = True
        try:
            stop_surely(self.stop, self.describe(), self.log)
        except Exception:
            self.log.exception("%s could not be stopped", self.describe())

    def report(self, status: str) -> None:
        """Write a status to the task log when it differs from the last one written."""
        if status != self._last_status:
            self._last_status = status
            self.log.info("%s", status)

    def look_tolerantly(self) -> dict[str, Any] | None:
        """Look once; one failed poll is logged and forgiven, the deadline is not.

        :raises DeadlineExceeded: the deadline passed; the work was stopped first, where it can be.
        :raises BudgetExceeded: so did the time that the budget pays for.
        :raises SageMakerEmrError: also when AWS refuses the call for good, with AWS's reason, and when the
            look breaks for any other cause.
        """
        try:
            result = self.look()
        except SageMakerEmrError:
            raise
        except _POLL_ERRORS as error:
            if not is_transient(error):
                raise self.refusal(error) from error
            self.log.warning("Poll failed, will look again: %s", error)
            self._last_failure = error
            result = None
        except Exception as error:
            self.log.exception("Looking at %s broke", self.describe())
            raise SageMakerEmrError(
                f"Waiting for {self.describe()} broke",
                reason=f"{type(error).__name__}: {error}",
                next_step="The traceback is in the log above. What was waited for goes on by itself.",
            ) from error
        else:
            self._last_failure = None
        if result is None and time.time() >= self._ends_at and self._is_first_at_deadline():
            raise self._passed_deadline()
        return result

    @property
    def _ends_at(self) -> float:
        return end_of(self.deadline_at, self.budget)

    @property
    def budget_is_used_up(self) -> bool:
        """Whether there is a budget, and the time that it pays for is over."""
        return self.budget is not None and time.time() >= self.budget["at"]

    def _is_first_at_deadline(self) -> bool:
        """Whether nobody else ends the wait: a look given up must not stop what the next try asks for."""
        return self._at_deadline.acquire(blocking=False)

    def _gave_up_look(self) -> SageMakerEmrError:
        self._last_failure = TimeoutError("it was not answered by the deadline")
        return self._passed_deadline()

    def _seconds_for_a_look(self) -> float:
        return max(self._ends_at - time.time(), LAST_LOOK_SECONDS)

    def refusal(self, error: Exception) -> SageMakerEmrError:
        """The error for a look that AWS refused for good."""
        return SageMakerEmrError(f"AWS refused a call while waiting for {self.describe()}", reason=str(error))

    def _passed_deadline(self) -> SageMakerEmrError:
        if self.budget and self.budget_is_used_up:
            return used_up(self.describe(), self.budget, self._stop_at_deadline())
        error = self.deadline_error(self._stop_at_deadline())
        if not self.deadline_is_final:
            return error
        return SensorDeadlineExceeded(error.what, reason=error.reason, next_step=error.next_step)

    def deadline_error(self, stopped: str) -> SageMakerEmrError:
        """The error for a passed deadline.

        :param stopped: a sentence that says what became of the work.
        """
        failure = f"; the last look failed: {self._last_failure}" if self._last_failure else ""
        return DeadlineExceeded(
            f"Deadline passed while waiting for {self.describe()}",
            reason=f"last status seen: {self._last_status or 'none'}{failure}",
            next_step=f"{stopped} Clear the task to try again, or raise its deadline.",
        )

    def _stop_at_deadline(self) -> str:
        """Stop the work, and say what became of it; a stop that fails must not hide the deadline."""
        if not self.stops_the_work:
            return "What was waited for goes on by itself."
        try:
            stop_surely(self.stop, self.describe(), self.log)
        except Exception as error:
            self.log.exception("Stopping failed")
            return f"Stopping the work failed ({error}); stop it by hand."
        return "The work was stopped."

    def describe(self) -> str:
        """What is waited for, with the resource's name, for error messages."""
        return self.waits_for

    def wait(self) -> dict[str, Any]:
        """Wait in this thread, for a task that does not defer, and that has looked just before.

        :raises SageMakerEmrError: also when the wait was killed.
        """
        for delay in poll_delays():
            self._sleep(self._bounded(delay))
            result = self._look_in_a_thread()
            if result is not None:
                return result
        raise AssertionError("poll_delays never ends")

    def _look_in_a_thread(self) -> dict[str, Any] | None:
        """A look that does not keep the wait from ending by its deadline.

        The thread of a look that is given up ends by itself, with its call's own timeouts and tries.
        """
        looked: Future[dict[str, Any] | None] = Future()
        context = contextvars.copy_context()

        def look() -> None:
            try:
                looked.set_result(context.run(self.look_tolerantly))
            except BaseException as error:
                looked.set_exception(error)

        threading.Thread(target=look, name="look", daemon=True).start()
        wait_for_futures([looked], self._seconds_for_a_look())
        if not looked.done() and self._is_first_at_deadline():
            raise self._gave_up_look()
        return looked.result()

    def _sleep(self, seconds: float) -> None:
        """Sleep; a signal's handler that kills the wait does not end a sleep by itself."""
        until = time.monotonic() + seconds
        while not self._killed and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, KILL_CHECK_SECONDS))
        if self._killed:
            raise SageMakerEmrError(f"The task was killed while it waited for {self.describe()}")

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, for a task that has looked just before it deferred.

        The delay before the first look is also for the scheduler: a task that is resumed before the scheduler
        has seen its worker leave is taken for killed, and loses a try. With the delay that is rare.
        """
        try:
            for delay in poll_delays():
                await asyncio.sleep(self._bounded(delay))
                result = await self._look_in_time()
                if result is not None:
                    yield TriggerEvent({"result": result, "deadline_at": self.deadline_at})
                    return
        except SageMakerEmrError as error:
            yield TriggerEvent({**error.to_event(), "deadline_at": self.deadline_at})

    async def _look_in_time(self) -> dict[str, Any] | None:
        """As :meth:`_look_in_a_thread`."""
        look = ensure_future(asyncio.to_thread(self.look_tolerantly))
        try:
            await wait_for_tasks({look}, timeout=self._seconds_for_a_look())
            if not look.done() and self._is_first_at_deadline():
                raise await asyncio.to_thread(self._gave_up_look)
            return await look
        finally:
            look.cancel()

    async def on_kill(self) -> None:
        """Stop the work; where Airflow gives up waiting for it, the thread goes on."""
        await asyncio.get_running_loop().run_in_executor(_stops, self.kill)

    def _bounded(self, delay: float) -> float:
        return max(0.0, min(delay, self._ends_at - time.time()))


def result_of(event: dict[str, Any]) -> dict[str, Any]:
    """The result a :class:`WaitTrigger` fired, or its error raised again in the task."""
    if "error" in event:
        raise SageMakerEmrError.from_event(event)
    result: dict[str, Any] = event["result"]
    return result


class AwsWaiterTrigger(WaitTrigger):
    """A wait declared as a waiter in JSON, in the form of botocore's waiter files.

    The waiter lives in the ``waiters/`` file that the hook's ``waiter_path`` names. Delays and attempts
    in the file are for those who use the waiter through the hook; here :func:`poll_delays` and the
    deadline rule.
    """

    waiter_name: ClassVar[str]

    @abstractmethod
    def waiter_args(self) -> dict[str, Any]:
        """The parameters of the waiter's operation."""

    def result(self, response: dict[str, Any]) -> dict[str, Any]:
        """What to hand to the task, from the response that met the success acceptor. JSON only."""
        return {}

    @abstractmethod
    def failure(self, response: dict[str, Any]) -> SageMakerEmrError:
        """The error for a response that met a failure acceptor, with the service's own reason."""

    def progress(self, response: dict[str, Any]) -> None:
        """Called with each response; reports the status."""

    @cached_property
    def _waiter(self) -> Any:
        return WaiterModel(self.hook.waiter_model()).get_waiter(self.waiter_name)

    def look(self) -> dict[str, Any] | None:
        operation = getattr(self.hook.conn, _snake_case(self._waiter.operation))
        try:
            response = operation(**self.waiter_args())
        except ClientError as error:
            response = error.response
            if not any(acceptor.matcher_func(response) for acceptor in self._waiter.acceptors):
                raise
        else:
            self.progress(response)
        for acceptor in self._waiter.acceptors:
            if acceptor.matcher_func(response):
                if acceptor.state == "failure":
                    raise self.failure(response)
                return self.result(response) if acceptor.state == "success" else None
        return None


def _snake_case(operation: str) -> str:
    from botocore import xform_name

    name: str = xform_name(operation)
    return name
