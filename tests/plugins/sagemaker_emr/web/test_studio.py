"""The page that opens Studio, in front of an API server's database and a stand-in for the auth manager."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from airflow.api_fastapi.common.db.common import _get_session
from airflow.api_fastapi.core_api import security
from airflow.models import import_all_models
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.xcom import XComModel
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from sagemaker_emr.web.app import app
from tests.airflow_names import needs_pages
from tests.plugins.sagemaker_emr.conftest import aws_error

pytestmark = needs_pages

PATH = "/studio/open_studio/manual__1/open_studio/-1"
TOKEN = "the-way-in"
URL = f"https://d-1.studio.us-east-1.sagemaker.aws/auth?token={TOKEN}"
PUSHED = {
    "domain_id": "d-1",
    "user_profile_name": "ana",
    "region_name": "us-east-1",
    "aws_domain": "aws.amazon.com",
    "aws_conn_id": None,
    "verify": None,
    "botocore_config": None,
}


@pytest.fixture
def session(monkeypatch):
    """A database with what the page reads and writes."""
    import_all_models()
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    XComModel.metadata.create_all(engine)
    with Session(engine) as session:
        monkeypatch.setitem(app.dependency_overrides, _get_session, lambda: session)
        monkeypatch.setattr(DagModel, "get_team_name", lambda dag_id: None)
        yield session


@pytest.fixture
def asked(monkeypatch):
    """What the auth manager was asked; its answer is ``allowed``."""
    asked = SimpleNamespace(allowed=True, about=None)
    user = SimpleNamespace(get_name=lambda: "ana@example.com", get_id=lambda: "1")

    async def user_of(token):
        return user

    def is_authorized_dag(*, method, access_entity, details, user):
        asked.about = (method, access_entity.name, details.id)
        return asked.allowed

    manager = SimpleNamespace(get_user_from_token=user_of, is_authorized_dag=is_authorized_dag)
    monkeypatch.setattr(security, "get_auth_manager", lambda: manager)
    return asked


@pytest.fixture
def browser(session, asked):
    """A browser with Airflow's cookie."""
    return TestClient(app, follow_redirects=False, cookies={"_token": "airflow's"})


def push(session, **changed):
    run = DagRun(dag_id="open_studio", run_id="manual__1", run_type="manual")
    session.add(run)
    session.flush()
    session.execute(
        insert(XComModel).values(
            dag_run_id=run.id,
            task_id="open_studio",
            map_index=-1,
            key="sagemaker_studio",
            dag_id="open_studio",
            run_id="manual__1",
            value={**PUSHED, **changed},
        )
    )


def test_it_sends_the_browser_to_a_url_made_just_now(browser, session, asked, aws, caplog):
    push(session)
    aws.on("CreatePresignedDomainUrl", {"AuthorizedUrl": URL})
    with caplog.at_level(logging.DEBUG):
        answer = browser.get(PATH)
    assert (answer.status_code, answer.headers["location"]) == (302, URL)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    [request] = aws.requests("CreatePresignedDomainUrl")
    assert request == {"DomainId": "d-1", "UserProfileName": "ana", "ExpiresInSeconds": 60}
    assert asked.about == ("POST", "RUN", "open_studio")
    [entry] = session.scalars(select(Log)).all()
    assert (entry.event, entry.owner, entry.dag_id) == ("open_studio", "ana@example.com", "open_studio")
    assert TOKEN not in caplog.text + str(entry.extra) + answer.text


def test_who_may_not_trigger_the_dag_may_not_enter(browser, session, asked, aws):
    push(session)
    asked.allowed = False
    assert browser.get(PATH).status_code == 403
    assert aws.calls == []


def test_who_is_not_logged_in_may_not_enter(session, asked, aws):
    push(session)
    assert TestClient(app, follow_redirects=False).get(PATH).status_code == 401
    assert aws.calls == []


def test_a_task_that_named_no_profile_opens_nothing(browser, aws):
    answer = browser.get(PATH)
    assert answer.status_code == 404
    assert "run it first" in answer.json()["detail"]
    assert aws.calls == []


def test_a_profile_that_is_gone_is_told_with_those_that_are_left(browser, session, aws):
    push(session)
    aws.on("CreatePresignedDomainUrl", aws_error("ResourceNotFound"))
    aws.on("ListUserProfiles", {"UserProfiles": [{"UserProfileName": "ben"}]})
    answer = browser.get(PATH)
    assert answer.status_code == 404
    assert "ben" in answer.json()["detail"]


def test_a_refusal_by_aws_says_what_the_api_server_needs(browser, session, aws):
    push(session, aws_conn_id=None)
    aws.on("CreatePresignedDomainUrl", aws_error("AccessDeniedException", "not authorized"))
    answer = browser.get(PATH)
    assert answer.status_code == 502
    assert "sagemaker:CreatePresignedDomainUrl" in answer.json()["detail"]
