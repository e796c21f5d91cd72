from __future__ import annotations

import inspect

import pytest

from sagemaker_emr import exceptions
from sagemaker_emr.exceptions import NotRetryable, SageMakerEmrError
from tests.airflow_names import AirflowException, AirflowFailException

ALL = [
    cls for _, cls in inspect.getmembers(exceptions, inspect.isclass) if cls.__module__ == exceptions.__name__
]


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_each_error_is_in_the_tree_and_its_picture(cls):
    assert issubclass(cls, SageMakerEmrError)
    assert cls.__name__ in exceptions.__doc__


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_each_error_survives_a_trigger_event(cls):
    error = cls("what", reason="why", next_step="then")
    restored = SageMakerEmrError.from_event(error.to_event())
    assert type(restored) is cls
    assert str(restored) == "what\nReason: why\nNext step: then"


def test_an_unknown_error_falls_back_to_the_base():
    event = {"error": "FromTheFuture", "what": "what", "reason": None, "next_step": None}
    assert str(SageMakerEmrError.from_event(event)) == "what"


def test_what_a_retry_can_not_change_fails_the_task_at_once():
    assert issubclass(NotRetryable, AirflowFailException)
    assert issubclass(SageMakerEmrError, AirflowException)
    assert not issubclass(exceptions.SparkJobFailed, AirflowFailException)
    assert issubclass(exceptions.ClusterFailed, AirflowFailException)
    assert not issubclass(exceptions.StackOperationFailed, AirflowFailException)
