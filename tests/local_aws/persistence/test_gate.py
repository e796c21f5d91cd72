from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from local_aws.persistence.gate import Gate, ServerRestarted

SECONDS = 30


def started(run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_picture_waits_for_those_inside_and_others_wait_for_the_picture() -> None:
    gate, entered, may_leave, order = Gate(), threading.Event(), threading.Event(), []

    def change() -> None:
        with gate.inside():
            entered.set()
            may_leave.wait(SECONDS)
            order.append("changed")

    def picture() -> None:
        with gate.closed():
            order.append("taken")

    changing = started(change)
    assert entered.wait(SECONDS)
    taking = started(picture)
    may_leave.set()
    changing.join(SECONDS)
    taking.join(SECONDS)
    assert order == ["changed", "taken"]


def test_whoever_waits_outside_does_not_hold_the_picture_up() -> None:
    gate, waiting, go_on = Gate(), threading.Event(), threading.Event()

    def change() -> None:
        with gate.inside(), gate.inside(), gate.outside():
            waiting.set()
            go_on.wait(SECONDS)

    thread = started(change)
    assert waiting.wait(SECONDS)
    with gate.closed():
        pass
    go_on.set()
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_a_thread_of_a_former_life_ends_where_it_comes_to_the_gate_and_never_gets_in_again() -> None:
    gate, waiting, go_on = Gate(), threading.Event(), threading.Event()
    done: list[str] = []

    def operation() -> None:
        try:
            with gate.inside():
                with gate.outside():
                    waiting.set()
                    go_on.wait(SECONDS)
                done.append("went on")
        finally:
            with pytest.raises(ServerRestarted), gate.inside():
                done.append("tidied up what is another's")

    thread = started(gate.of_this_life(operation))
    assert waiting.wait(SECONDS)
    with gate.closed():
        gate.begin_life()
    go_on.set()
    thread.join(SECONDS)
    assert not thread.is_alive()
    assert done == []
    with gate.closed():
        pass


def test_a_life_is_over_when_none_of_its_threads_works_any_more_and_those_that_wait_hold_nothing_up() -> None:
    gate, working, waiting, go_on = Gate(), threading.Event(), threading.Event(), threading.Event()
    children: list[threading.Thread] = []
    done: list[str] = []

    def child() -> None:
        done.append("a former life's thread began something")

    def work() -> None:
        working.set()
        go_on.wait(SECONDS)
        children.append(started(gate.of_this_life(child)))
        with gate.inside():
            done.append("changed")

    def wait() -> None:
        with gate.outside(), gate.outside():
            waiting.set()
            threading.Event().wait(SECONDS)

    started(gate.of_this_life(work))
    started(gate.of_this_life(wait))
    assert working.wait(SECONDS)
    assert waiting.wait(SECONDS)
    with gate.closed():
        gate.begin_life()
        assert not gate.wait_for_work(0.01)
        go_on.set()
        assert gate.wait_for_work(SECONDS)
        children[0].join(SECONDS)
        assert done == []


def test_when_the_server_ends_background_threads_stay_out_and_requests_are_answered() -> None:
    gate = Gate()
    done: list[str] = []

    def change() -> None:
        with gate.inside():
            done.append("changed")

    background = gate.of_this_life(change)
    gate.frozen = True
    started(background)
    change()
    assert done == ["changed"]
