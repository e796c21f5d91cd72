"""The link that opens Studio is kept for ever, so it says no more than where it was made."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sagemaker_emr import airflow_versions
from sagemaker_emr.links.sagemaker_studio import SageMakerStudioLink

KEY = SimpleNamespace(dag_id="open_studio", run_id="manual__2013-02-14T00:00:00+00:00", task_id="a/b")


@pytest.mark.parametrize(
    ("base_url", "shown"),
    [
        ("https://airflow.example.com/team", "https://airflow.example.com/team/sagemaker-emr/studio/"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/sagemaker-emr/studio/"),
        ("", "/sagemaker-emr/studio/"),
    ],
    ids=["a path", "a slash", "none"],
)
def test_the_link_names_the_task_and_holds_no_secret(monkeypatch, base_url, shown):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    monkeypatch.setattr(airflow_versions, "PAGES_KNOW_THEIR_READER", True)
    link = SageMakerStudioLink().get_link(None, ti_key=KEY)
    assert link == shown + "open_studio/manual__2013-02-14T00%3A00%3A00%2B00%3A00/a%2Fb/-1"


def test_there_is_no_link_to_a_page_that_is_not_served(monkeypatch):
    monkeypatch.setattr(airflow_versions, "PAGES_KNOW_THEIR_READER", False)
    assert SageMakerStudioLink().get_link(None, ti_key=KEY) == ""
