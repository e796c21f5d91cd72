"""Running a task as Airflow does, against scripted AWS answers or the embedded AWS."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from sagemaker_emr.triggers import base
from tests.airflow_names import TaskDeferred, import_string
from tests.local_aws.conftest import endpoint_url

__all__ = ["endpoint_url"]

DAG_ID, RUN_ID = "train_and_deploy_model", "manual__2013-02-14"
MAX_DEFERRALS = 20

Run = Callable[[Callable[[], Any]], Any]


@pytest.fixture(autouse=True)
def short_delays(monkeypatch):
    """Waits in milliseconds, and no way to a real AWS account."""
    monkeypatch.setattr(base, "FIRST_DELAY_SECONDS", 0.005)
    monkeypatch.setattr(base, "MAX_DELAY_SECONDS", 0.2)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")


@pytest.fixture
def context() -> dict[str, Any]:
    """A task's context, as far as our operators look at it; ``context["ti"].xcom`` keeps what is pushed."""
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(dag_id=DAG_ID, run_id=RUN_ID, xcom=pushed)
    ti.xcom_push = lambda key, value: pushed.__setitem__(key, value)
    return {"ti": ti, "run_id": RUN_ID}


@pytest.fixture
def run_task(context) -> Run:
    """``run_task(make_operator)``: execute; where it defers, run the trigger and resume in a new process.

    "New process" means a new operator, and a trigger and an event that went through JSON.
    """

    def run(make: Callable[[], Any]) -> Any:
        method: str = "execute"
        kwargs: dict[str, Any] = {}
        for _ in range(MAX_DEFERRALS):
            try:
                return getattr(make(), method)(context, **kwargs)
            except TaskDeferred as deferred:
                method = deferred.method_name
                kwargs = {**(deferred.kwargs or {}), "event": fire(deferred.trigger)}
        raise AssertionError(f"deferred more than {MAX_DEFERRALS} times")

    return run


def reloaded(trigger: Any) -> Any:
    """The trigger as another triggerer would load it from the database."""
    classpath, kwargs = trigger.serialize()
    return import_string(classpath)(**json.loads(json.dumps(kwargs)))


def fire(trigger: Any) -> dict[str, Any]:
    """The payload of a trigger's event, as the task gets it."""

    async def first() -> Any:
        async for event in reloaded(trigger).run():
            return event.payload
        raise AssertionError("the trigger ended without an event")

    payload: dict[str, Any] = json.loads(json.dumps(asyncio.run(first())))
    return payload


def aws_error(code: str, message: str = "said AWS", status: int = 400) -> ClientError:
    """An error as botocore raises it."""
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Operation")


class ScriptedAws:
    """Answers in the place of AWS, by operation; requests and answers are checked against botocore's models.

    The last answer of an operation is repeated; a callable is given the request.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._answers: dict[str, list[Any]] = defaultdict(list)

    def on(self, operation: str, *answers: Any) -> ScriptedAws:
        self._answers[operation] = list(answers)
        return self

    def requests(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.calls if name == operation]

    def answer(self, client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
        model = client.meta.service_model.operation_model(operation)
        assert not ParamValidator().validate(request, model.input_shape).has_errors(), (operation, request)
        self.calls.append((operation, request))
        assert self._answers[operation], f"no answer for {operation}({request})"
        answers = self._answers[operation]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        if model.output_shape is not None and "Body" not in answer:
            report = ParamValidator().validate(answer, model.output_shape)
            assert not report.has_errors(), (operation, report.generate_report())
        return answer


@pytest.fixture
def aws(monkeypatch) -> ScriptedAws:
    """AWS with scripted answers: ``aws.on("DescribeRecord", {...}, {...})``."""
    scripted = ScriptedAws()
    # A stack of scripted answers was made from some other template, unless a test says so.
    scripted.on("GetTemplate", {"TemplateBody": "another"})

    def make_api_call(client: BaseClient, operation_name: str, api_params: dict[str, Any]) -> Any:
        return scripted.answer(client, operation_name, api_params)

    monkeypatch.setattr(BaseClient, "_make_api_call", make_api_call)
    return scripted


@pytest.fixture
def local_aws(endpoint_url, monkeypatch) -> Iterator[Callable[[str], Any]]:
    """The embedded AWS, empty; ``local_aws("s3")`` is a client of it, and so is every hook."""
    import boto3

    requests.post(f"{endpoint_url}/moto-api/reset", timeout=60).raise_for_status()
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    # boto3 keeps the credentials of the first client that any test of this process made.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return boto3.client


@pytest.fixture
def bucket(local_aws) -> str:
    """An empty bucket of artifacts."""
    local_aws("s3").create_bucket(Bucket="artifacts")
    return "artifacts"
