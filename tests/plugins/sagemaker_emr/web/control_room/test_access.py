"""Who sees what, and what the answers allow the browser."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from sagemaker_emr.web.control_room.pages import STATIC
from tests.plugins.sagemaker_emr.web.control_room.conftest import (
    HERE,
    SECTIONS,
    Read,
    catalog_of,
    data,
    part,
)

PARTS = [f"{kind}/dev/{name}" for kind in ("api", "parts") for name in SECTIONS]
ALL = [*PARTS, "api/environments", "parts/environments", "api/dev/clusters/cluster-1"]
OWNED = {"sagemaker-emr:owner": "ana"}


@pytest.fixture
def stranger(browse):
    return TestClient(browse.app, follow_redirects=False)


def test_who_is_not_logged_in_is_led_to_the_login_and_back(stranger, aws):
    answer = stranger.get(f"{HERE}?environment=test")
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    assert where.path == "/api/v2/auth/login"
    assert parse_qs(where.query) == {"next": [f"{HERE}?environment=test"]}
    assert aws.calls == []


@pytest.mark.parametrize("path", ALL)
def test_who_is_not_logged_in_is_told_nothing(path, stranger, aws):
    answer = stranger.get(f"{HERE}/{path}")
    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})
    assert aws.calls == []


@pytest.mark.parametrize("path", PARTS)
def test_a_part_takes_the_right_to_read_its_dag(path, browse, rights, aws):
    rights.denied = {("GET", SECTIONS[path.rpartition("/")[2]])}
    assert browse.get(f"{HERE}/{path}").status_code == 403
    assert aws.calls == []


def test_the_page_itself_asks_nobody(browse, database, aws):
    answer = browse.get(HERE)
    assert answer.status_code == 200
    assert (aws.calls, database.statements) == ([], [])
    parts = [found["data-part"] for found in Read(answer.text).all("div", data_part="")]
    assert {path.rpartition("/")[2] for path in parts} == set(SECTIONS)
    assert all(path.startswith(f"{HERE}/parts/dev/") for path in parts)


def test_a_viewer_sees_the_button_disabled_and_why(browse, rights, database, aws):
    database.add_dag()
    rights.denied = {("POST", "terminate_cluster")}
    catalog_of(aws, [OWNED])
    [button] = part(browse, "clusters").buttons
    assert button["aria-disabled"] == "true"
    assert "right to trigger" in button["title"]
    assert "right to trigger" in data(browse, "clusters")["may_not"]


@pytest.mark.parametrize(("paused", "why"), [(True, "is paused"), (None, "has no DAG")])
def test_a_dag_that_would_not_run_is_not_offered(paused, why, browse, database, aws):
    if paused is not None:
        database.add_dag(paused=paused)
    catalog_of(aws, [OWNED])
    [button] = part(browse, "clusters").buttons
    assert button["aria-disabled"] == "true"
    assert why in button["title"]


def test_who_may_trigger_it_gets_a_button_that_names_cluster_and_owner(browse, database, aws):
    database.add_dag()
    catalog_of(aws, [OWNED])
    [button] = part(browse, "clusters").buttons
    assert "aria-disabled" not in button
    assert (button["data-product"], button["data-cluster"], button["data-owner"]) == (
        "cluster-0",
        "j-0",
        "ana",
    )
    assert data(browse, "clusters")["may_not"] is None


@pytest.mark.parametrize("path", ["", *(f"/{path}" for path in ALL), *(f"/static/{name}" for name in STATIC)])
def test_every_answer_forbids_scripts_of_others(path, browse, database, aws):
    catalog_of(aws, [OWNED])
    aws.on("ListStacks", {"StackSummaries": []})
    aws.on("ListObjectsV2", {})
    aws.on("DescribeProvisionedProduct", {"ProvisionedProductDetail": {"Name": "x", "ProductId": "prod-1"}})
    answer = browse.get(f"{HERE}{path}")
    assert answer.status_code == 200, answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    if not path.startswith("/static"):
        assert answer.headers["cache-control"] == "no-store"


def test_the_page_works_under_its_own_policy(browse, database, aws):
    """No script, style or handler stands in the HTML."""
    database.add_dag()
    catalog_of(aws, [OWNED])
    for text in (browse.get(HERE).text, browse.get(f"{HERE}/parts/dev/clusters").text):
        read = Read(text)
        assert all(script["src"] for script in read.all("script"))
        assert read.all("style") == []
        assert [a for _, a in read.elements if any(re.match("on|style$", name) for name in a)] == []


def test_a_file_that_is_none_of_the_pages_is_not_served(browse):
    for name in ("pages.py", "..%2fpages.py", "nothing.js"):
        assert browse.get(f"{HERE}/static/{name}").status_code == 404


@pytest.mark.parametrize("name", ["Dev", "<script>alert(1)</script>", "x" * 300, "1a"])
def test_what_is_no_environments_name_is_refused_on_the_page(name, browse, aws):
    answer = browse.get(HERE, params={"environment": name})
    read = Read(answer.text)
    assert answer.status_code == 400
    assert name[:80] in read.text
    assert len(read.all("script")) == 2
    assert all("/parts/dev/" in found["data-part"] for found in read.all("div", data_part=""))
    assert browse.get(f"{HERE}/api/{name.replace('/', '')}/platform").status_code == 422
    assert aws.calls == []


def test_below_another_root_all_addresses_lie_below_it(browse, database, aws):
    root = FastAPI(root_path="/airflow")
    root.mount("/sagemaker-emr", browse.app.routes[-1].app)
    page = TestClient(root, follow_redirects=False, cookies={"_token": "airflow's"})
    read = Read(page.get(f"/airflow{HERE}").text)
    [body] = read.all("body")
    assert (body["data-airflow"], body["data-here"]) == ("/airflow", f"/airflow{HERE}")
    login = TestClient(root, follow_redirects=False).get(f"/airflow{HERE}").headers["location"]
    assert login.startswith("/airflow/api/v2/auth/login?next=%2Fairflow%2Fsagemaker-emr")
