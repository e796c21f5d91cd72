"""Interactive sessions against Livy's documented answers: whatever happens, the session is deleted."""

from __future__ import annotations

import time

import pytest

from sagemaker_emr.exceptions import DeadlineExceeded, SparkJobFailed
from sagemaker_emr.hooks.livy import LivyClient, SessionsUnsupported
from sagemaker_emr.hooks.livy_session import LivySession
from tests.plugins.sagemaker_emr.livy_sessions import SessionsLivy

NAME = "proof-1"


@pytest.fixture
def livy():
    with SessionsLivy() as server:
        yield server


def session(livy, seconds=10.0):
    return LivySession(LivyClient(livy.url), NAME, time.time() + seconds)


def test_a_statement_runs_and_the_session_goes(livy):
    with session(livy) as running:
        assert running.run("spark.range(1000).count()") == "1000"
    [asked] = livy.created
    assert (asked["kind"], asked["name"], asked["heartbeatTimeoutInSecond"]) == ("pyspark", NAME, 120)
    assert livy.code == ["spark.range(1000).count()"]
    assert livy.deleted == [NAME]


def test_what_an_earlier_try_left_is_deleted_first(livy):
    livy.sessions[NAME] = {"id": 3, "name": NAME}
    with session(livy):
        pass
    assert livy.deleted == [NAME, NAME]


def test_a_statement_that_raises_shows_its_traceback_and_the_session_goes(livy):
    livy.output = {"status": "error", "ename": "NameError", "evalue": "x", "traceback": ["line 1\n"]}
    with pytest.raises(SparkJobFailed) as failed, session(livy) as running:
        running.run("x")
    assert "NameError: x" in str(failed.value)
    assert "line 1" in str(failed.value)
    assert livy.deleted == [NAME]


@pytest.mark.parametrize("state", ["error", "dead", "killed", "shutting_down", "success"])
def test_a_session_that_does_not_start_says_why_and_goes(livy, state):
    livy.session_script = ["starting", state]
    with pytest.raises(SparkJobFailed) as failed, session(livy):
        raise AssertionError("not reached")
    assert f"is {state}" in str(failed.value)
    assert "no resources" in str(failed.value)
    assert livy.deleted == [NAME]


@pytest.mark.parametrize(
    ("script", "told"), [("session_script", "starting"), ("statement_script", "the statement")]
)
def test_the_deadline_ends_the_wait_and_the_session(livy, script, told):
    setattr(livy, script, [told])
    with pytest.raises(DeadlineExceeded, match=told), session(livy, seconds=0.2) as running:
        running.run("1")
    assert livy.deleted == [NAME]


def test_a_statement_that_is_cancelled_fails(livy):
    livy.statement_script = ["cancelled"]
    with pytest.raises(SparkJobFailed, match="cancelled"), session(livy) as running:
        running.run("1")
    assert livy.deleted == [NAME]


def test_a_livy_without_its_repl_is_told_apart(livy):
    livy.has_repl = False
    with pytest.raises(SessionsUnsupported, match="REPL"), session(livy):
        raise AssertionError("not reached")
    assert livy.created == []
