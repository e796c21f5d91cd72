"""The way into Studio through real Airflow: a link that holds nothing, and a page that asks who clicks."""

from __future__ import annotations

import subprocess
from urllib.parse import quote

import pytest
import requests

pytestmark = pytest.mark.system

TIMEOUT_SECONDS = 20


def run_to_success(stack, dag_id):
    stack.airflow.unpause(dag_id)
    run_id = stack.airflow.trigger(dag_id, {})

    def ended():
        state = stack.airflow.run(dag_id, run_id)["state"]
        return state if state in ("success", "failed") else None

    assert stack.wait_until(ended, f"{dag_id} ended") == "success"
    return run_id


@pytest.fixture(scope="module")
def browser(stack):
    """A session with Airflow's token."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {stack.airflow.token()}"
    return session


@pytest.fixture(scope="module")
def link(stack, browser):
    """The link's address, as Airflow keeps it."""
    run_to_success(stack, "deploy_platform")
    run_id = run_to_success(stack, "open_studio")
    path = f"/api/v2/dags/open_studio/dagRuns/{quote(run_id)}/taskInstances/open_studio/links"
    links = browser.get(stack.settings.airflow_url + path, timeout=TIMEOUT_SECONDS).json()["extra_links"]
    return links["Open Studio"]


def test_one_click_opens_studio_and_leaves_no_way_in_behind(stack, browser, link):
    assert "token" not in link
    redirect = browser.get(link, allow_redirects=False, timeout=TIMEOUT_SECONDS)
    assert redirect.status_code == 302
    url = redirect.headers["Location"]
    page = requests.get(url, timeout=TIMEOUT_SECONDS)
    assert (page.status_code, "user profile data-scientist" in page.text) == (200, True)
    token = url.split("token=")[1]
    kept = subprocess.run(["grep", "-rlF", token, str(stack.settings.home)], capture_output=True, text=True)
    assert kept.stdout == ""


def test_nobody_enters_without_airflows_leave(link):
    assert requests.get(link, allow_redirects=False, timeout=TIMEOUT_SECONDS).status_code == 401
