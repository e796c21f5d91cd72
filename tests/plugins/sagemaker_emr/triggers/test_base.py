from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest
import requests
from botocore.exceptions import EndpointConnectionError

from sagemaker_emr.exceptions import (
    BudgetExceeded,
    DeadlineExceeded,
    SageMakerEmrError,
    SensorDeadlineExceeded,
    TrainingFailed,
)
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.triggers.base import WaitTrigger, poll_delays, result_of
from tests.airflow_names import AirflowFailException
from tests.plugins.sagemaker_emr.conftest import aws_error, fire, reloaded


class Counting(WaitTrigger):
    """Done at the third look, with whatever went wrong before it."""

    hook_class = ServiceCatalogHook
    waits_for = "the third look"
    errors: list[Exception] = []  # noqa: RUF012
    looks = 0

    def __init__(self, *, done_at: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.done_at = done_at

    def look(self):
        Counting.looks += 1
        self.report(f"look {Counting.looks}")
        if Counting.looks <= len(Counting.errors):
            raise Counting.errors[Counting.looks - 1]
        return {"looks": Counting.looks} if Counting.looks >= self.done_at else None


class Stoppable(Counting):
    stopped: list[str] = []  # noqa: RUF012

    def stop(self):
        self.stopped.append("stopped")


class Unstoppable(Counting):
    def stop(self):
        raise aws_error("AccessDeniedException")


class Broken(Counting):
    def stop(self):
        raise KeyError("Status")


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(Counting, "looks", 0)
    monkeypatch.setattr(Counting, "errors", [])
    monkeypatch.setattr(Stoppable, "stopped", [])


def make(cls=Counting, deadline_seconds=10.0, **kwargs):
    return cls(deadline_at=time.time() + deadline_seconds, aws_conn_id=None, **kwargs)


def waited(trigger, deferred):
    """The result by the triggerer's way or by the worker's."""
    return result_of(fire(trigger)) if deferred else trigger.wait()


both_ways = pytest.mark.parametrize("deferred", [True, False], ids=["triggerer", "worker"])


@both_ways
def test_waits_until_the_state_is_reached(deferred):
    assert waited(make(), deferred) == {"looks": 3}


@both_ways
@pytest.mark.parametrize(
    "error",
    [
        aws_error("ThrottlingException"),
        aws_error("ValidationException", status=503),
        EndpointConnectionError(endpoint_url="http://nowhere"),
        ConnectionResetError("peer"),
        requests.ConnectionError("refused"),
        requests.Timeout("slow"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_one_bad_poll_is_forgiven(deferred, error):
    Counting.errors = [error]
    assert waited(make(), deferred) == {"looks": 3}


@both_ways
def test_a_refusal_ends_the_wait_with_awss_own_reason(deferred):
    Counting.errors = [aws_error("AccessDeniedException", "not authorized to look")]
    with pytest.raises(SageMakerEmrError, match="the third look") as raised:
        waited(make(), deferred)
    assert "not authorized to look" in raised.value.reason


@both_ways
def test_a_look_that_breaks_ends_the_wait_with_an_error_of_ours(deferred, capsys):
    Counting.errors = [KeyError("Status")]
    with pytest.raises(SageMakerEmrError, match="Waiting for the third look broke") as raised:
        waited(make(Stoppable), deferred)
    assert raised.value.reason == "KeyError: 'Status'"
    assert "Traceback" in capsys.readouterr().out or deferred
    assert Stoppable.stopped == [], "the next try attaches to the work"


@both_ways
def test_a_final_deadline_fails_the_task_at_once_with_the_same_words(deferred):
    with pytest.raises(SensorDeadlineExceeded, match="third look") as raised:
        waited(make(Stoppable, deadline_seconds=0.0, deadline_is_final=True), deferred)
    assert Stoppable.stopped == ["stopped"]
    assert isinstance(raised.value, AirflowFailException)
    with pytest.raises(DeadlineExceeded) as raised:
        waited(make(deadline_seconds=0.0), deferred)
    assert not isinstance(raised.value, AirflowFailException)


@both_ways
def test_the_deadline_stops_the_work_and_names_the_last_status(deferred):
    with pytest.raises(DeadlineExceeded) as raised:
        waited(make(Stoppable, deadline_seconds=0.0), deferred)
    assert Stoppable.stopped == ["stopped"]
    assert raised.value.what == "Deadline passed while waiting for the third look"
    assert raised.value.reason == "last status seen: look 1"
    assert "The work was stopped" in raised.value.next_step


def test_the_deadline_does_not_claim_to_have_stopped_what_it_can_not():
    with pytest.raises(DeadlineExceeded) as raised:
        make(deadline_seconds=0.0).wait()
    assert "goes on by itself" in raised.value.next_step


@pytest.mark.parametrize(("cls", "said"), [(Unstoppable, "AccessDeniedException"), (Broken, "Status")])
def test_a_stop_that_fails_does_not_hide_the_deadline(cls, said):
    with pytest.raises(DeadlineExceeded) as raised:
        make(cls, deadline_seconds=0.0).wait()
    assert said in raised.value.next_step


@both_ways
def test_a_wait_begins_with_a_delay_since_its_task_has_looked_just_before(deferred, monkeypatch):
    looks_at_delays = []

    def delay(_, seconds):
        looks_at_delays.append(Counting.looks)
        return seconds

    monkeypatch.setattr(WaitTrigger, "_bounded", delay)
    assert waited(make(done_at=1), deferred) == {"looks": 1}
    assert looks_at_delays == [0]


def test_the_deadline_cuts_the_delay_short(monkeypatch):
    monkeypatch.setattr("sagemaker_emr.triggers.base.FIRST_DELAY_SECONDS", 60)
    monkeypatch.setattr("sagemaker_emr.triggers.base.MAX_DELAY_SECONDS", 60)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        make(deadline_seconds=0.2, done_at=10**9).wait()
    assert time.monotonic() - began < 5


@both_ways
def test_a_budget_that_is_used_up_stops_the_work_for_good_and_shows_the_sums(deferred):
    budget = {"at": time.time(), "sums": "budget 5.00 USD, spent 0.00"}
    with pytest.raises(BudgetExceeded, match="third look") as raised:
        waited(make(Stoppable, budget=budget, done_at=10**9), deferred)
    assert Stoppable.stopped == ["stopped"]
    assert raised.value.reason == "budget 5.00 USD, spent 0.00"
    assert isinstance(raised.value, AirflowFailException)


@both_ways
def test_a_budget_that_lasts_leaves_the_deadline_as_it_is(deferred):
    budget = {"at": time.time() + 3600, "sums": "budget 5.00 USD, spent 0.00"}
    assert waited(make(budget=budget), deferred) == {"looks": 3}
    with pytest.raises(DeadlineExceeded):
        waited(make(deadline_seconds=0.0, budget=budget, done_at=10**9), deferred)


class Hanging(Stoppable):
    """Each look but the first takes until it is released."""

    released = threading.Event()

    def look(self):
        super().look()
        if Counting.looks > 1:
            assert Hanging.released.wait(60)


@pytest.fixture
def released(monkeypatch):
    monkeypatch.setattr(Hanging, "released", threading.Event())
    monkeypatch.setattr("sagemaker_emr.triggers.base.LAST_LOOK_SECONDS", 0.1)
    yield Hanging.released
    Hanging.released.set()


@both_ways
def test_a_look_that_takes_too_long_does_not_hold_up_the_deadline(deferred, released):
    ended = threading.Event()
    errors = []

    def wait():
        try:
            waited(make(Hanging, deadline_seconds=0.3), deferred)
        except DeadlineExceeded as error:
            errors.append(error)
        ended.set()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    if deferred:  # asyncio.run ends with its threads, so the look is let go once the wait has given it up
        while not Stoppable.stopped:
            time.sleep(0.01)
        released.set()
    assert ended.wait(30)
    assert errors[0].what == "Deadline passed while waiting for the third look"
    assert (
        errors[0].reason
        == "last status seen: look 2; the last look failed: it was not answered by the deadline"
    )


@both_ways
def test_a_look_given_up_does_not_stop_what_the_next_try_asks_for(deferred, released):
    threading.Timer(1.0, released.set).start()
    with pytest.raises(DeadlineExceeded):
        waited(make(Hanging, deadline_seconds=0.2), deferred)
    released.set()
    while any(thread.name == "look" for thread in threading.enumerate()):
        time.sleep(0.01)
    assert Stoppable.stopped == ["stopped"]


@both_ways
def test_the_deadline_names_what_kept_the_looks_from_succeeding(deferred):
    Counting.errors = [aws_error("ThrottlingException", "Rate exceeded")] * 10_000
    with pytest.raises(DeadlineExceeded) as raised:
        waited(make(deadline_seconds=0.3), deferred)
    assert "the last look failed" in raised.value.reason
    assert "Rate exceeded" in raised.value.reason


def test_a_result_at_the_deadline_still_counts():
    assert make(deadline_seconds=0.0, done_at=1).wait() == {"looks": 1}


def test_a_reloaded_trigger_is_the_same():
    trigger = make(done_at=7, region_name="cn-north-1", verify=False, botocore_config={"read_timeout": 5})
    assert reloaded(trigger).serialize() == trigger.serialize()
    assert trigger.serialize()[1]["done_at"] == 7


def test_the_event_carries_the_deadline_on():
    trigger = make(done_at=1)
    assert fire(trigger)["deadline_at"] == trigger.deadline_at


def test_an_error_survives_the_event():
    error = TrainingFailed("Job j failed", reason="AlgorithmError", next_step="Read its log.")
    with pytest.raises(TrainingFailed) as raised:
        result_of(json.loads(json.dumps(error.to_event())))
    assert str(raised.value) == str(error)


def test_a_kill_stops_the_work_and_a_mere_cleanup_does_not():
    trigger = make(Stoppable)
    asyncio.run(trigger.cleanup())
    assert Stoppable.stopped == []
    asyncio.run(trigger.on_kill())
    assert Stoppable.stopped == ["stopped"]


def test_a_status_is_logged_when_it_changes(capsys):
    trigger = make()
    for status in ("PENDING", "PENDING", "RUNNING", "PENDING"):
        trigger.report(status)
    logged = capsys.readouterr().out
    assert logged.count("PENDING") == 2
    assert logged.count("RUNNING") == 1


def test_delays_grow_to_their_limit(monkeypatch):
    monkeypatch.setattr("sagemaker_emr.triggers.base.FIRST_DELAY_SECONDS", 0.5)
    monkeypatch.setattr("sagemaker_emr.triggers.base.MAX_DELAY_SECONDS", 15.0)
    delays = [delay for delay, _ in zip(poll_delays(), range(60), strict=False)]
    assert delays[0] < 0.6
    assert 13.4 < delays[-1] < 16.6
