"""The clusters: hundreds of them, hostile ones, and real ones of the embedded AWS."""

from __future__ import annotations

import json
from collections import Counter

import boto3
import pytest

from local_aws.iam.local_user import ACCESS_KEY_ID
from sagemaker_emr import names
from sagemaker_emr.web.control_room import reading, words
from sagemaker_emr.web.control_room.clusters import PAGE_ROWS
from tests.dags.inhabitants import make_airflow_roles, until
from tests.dags.orphans import DAG
from tests.plugins.sagemaker_emr.conftest import aws_error
from tests.plugins.sagemaker_emr.web.control_room.conftest import (
    HERE,
    HOSTILE,
    Read,
    catalog_of,
    data,
    part,
)

OWNED = {"sagemaker-emr:owner": "ana"}


def of_run(run_id, dag_id=DAG):
    return {**OWNED, "sagemaker-emr:dag": dag_id, "sagemaker-emr:run": run_id}


def test_hundreds_of_clusters_are_pages_of_calls_and_no_call_is_for_one(browse, database, aws):
    database.add_dag()
    catalog_of(aws, [of_run(f"run-{number}") for number in range(300)])
    for number in range(300):
        database.add_run(DAG, f"run-{number}", "success")
    database.statements.clear()
    page = data(browse, "clusters")
    asked = Counter(operation for operation, _ in aws.calls)
    assert asked == {
        "DescribeStacks": 4,
        "SearchProvisionedProducts": 3,
        "ListClusters": 6,
        "GetResources": 3,
    }
    assert (page["total"], page["pages"], len(page["data"])) == (300, 12, PAGE_ROWS)
    assert [row["name"] for row in page["data"][:2]] == ["cluster-0", "cluster-1"], "the oldest first"
    assert all(row["run"]["state"] == "success" for row in page["data"])
    assert len(database.statements) <= 4


def test_a_second_look_asks_aws_nothing(browse, database, aws):
    catalog_of(aws, [OWNED] * 60)
    data(browse, "clusters")
    before = len(aws.calls)
    assert data(browse, "clusters", page=2)["data"][0]["name"] == f"cluster-{PAGE_ROWS}"
    assert part(browse, "clusters", page=3).all("tr")
    assert len(aws.calls) == before


def test_they_are_paged_and_filtered_on_the_server(browse, aws):
    catalog_of(aws, [{"sagemaker-emr:owner": f"user-{number % 3}"} for number in range(60)])
    found = data(browse, "clusters", q="USER-1 waiting")
    assert (found["total"], found["matching"], found["pages"]) == (60, 20, 1)
    assert {row["owner"] for row in found["data"]} == {"user-1"}
    assert data(browse, "clusters", page=99)["page"] == 3, "a page that there is not is the last one"
    assert "No cluster matches" in part(browse, "clusters", q="nobody").text
    assert browse.get(f"{HERE}/api/dev/clusters", params={"page": 0}).status_code == 422


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_tag_is_text_and_nothing_else(hostile, browse, database, aws):
    database.add_dag()
    for run_id in (hostile, "plain"):
        database.add_run(DAG, run_id, "running")
    catalog_of(aws, [of_run("plain")])
    usual = part(browse, "clusters")
    reading.cache.clear()
    catalog_of(aws, [{**of_run(hostile), "sagemaker-emr:owner": hostile}])
    shown = part(browse, "clusters")
    assert [tag for tag, _ in shown.elements] == [tag for tag, _ in usual.elements]
    assert words.visible(hostile) in shown.text
    [button] = shown.buttons
    assert button["data-owner"] == words.visible(hostile)
    assert button["data-run"] == f"{DAG} {words.visible(hostile)}"
    assert set(button) == set(usual.buttons[0])
    [link] = shown.all("a")
    assert link["href"].startswith(f"/dags/{DAG}/runs/")
    assert set(link["href"]) & set("<>\"' {}") == set()
    assert data(browse, "clusters")["data"][0]["owner"] == hostile


def test_a_name_that_turns_around_what_it_stands_in_is_shown_with_what_does_it(browse, database, aws):
    """\u2066 closes with the end of <bdi>, whose own isolate then stays open."""
    database.add_dag()
    catalog_of(aws, [{"sagemaker-emr:owner": "\u202egnp.exe\u2066", "sagemaker-emr:dag": "a\u2067b"}])
    answer = browse.get(f"{HERE}/parts/dev/clusters").text
    assert "[U+202E]gnp.exe[U+2066]" in answer
    assert not any(chr(code) in answer for code in words.BIDI_CONTROLS)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_filter_is_shown_as_it_was_typed(hostile, browse, aws):
    catalog_of(aws, [OWNED])
    shown = part(browse, "clusters", q=hostile[:200])
    [box] = shown.all("input")
    assert box["value"] == words.visible(hostile[:200])
    assert {tag for tag, _ in shown.elements} <= {
        "form",
        "label",
        "input",
        "button",
        "span",
        "p",
        "bdi",
        "time",
    }


def test_a_run_whose_id_no_tag_can_hold_is_found_by_what_its_tag_says(browse, database, aws):
    run_id = "manual [by ana] <1>"
    database.add_run(DAG, run_id, "running")
    catalog_of(aws, [of_run(names.tags("dev", run_id=run_id)["sagemaker-emr:run"])])
    [row] = data(browse, "clusters")["data"]
    assert (row["run"]["run_id"], row["run"]["state"]) == (run_id, "running")


def test_a_run_that_this_airflow_does_not_know_is_named_without_a_link(browse, database, aws):
    catalog_of(aws, [of_run("elsewhere")])
    shown = part(browse, "clusters")
    assert "unknown to this Airflow" in shown.text
    assert shown.all("a") == []


def test_a_cluster_that_a_run_is_ending_shows_that_run_instead_of_a_button(browse, database, aws):
    database.add_dag()
    conf = {"environment": "dev", "provisioned_product": "cluster-0"}
    database.add_run("terminate_cluster", "manual__end", "running", conf)
    database.add_run("terminate_cluster", "manual__other", "running", {**conf, "environment": "test"})
    catalog_of(aws, [OWNED, OWNED])
    shown = part(browse, "clusters")
    assert [button["data-product"] for button in shown.buttons] == ["cluster-1"]
    assert [link["href"] for link in shown.all("a")] == ["/dags/terminate_cluster/runs/manual__end"]
    detail = {"Name": "cluster-0", "ProductId": "prod-1"}
    aws.on("DescribeProvisionedProduct", {"ProvisionedProductDetail": detail})
    state = data(browse, "clusters/cluster-0")
    assert (state["fate"], state["run"]["run_id"]) == ("terminating", "manual__end")


def test_aws_out_of_reach_is_told_and_no_empty_table(browse, monkeypatch, new_clients):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("clusters", "platform", "coverage", "model-error"):
        told = data(browse, name)
        assert told["data"] is None
        assert "127.0.0.1:9" in told["trouble"]["reason"]
        shown = part(browse, name)
        assert "Could not connect" in shown.text
        assert shown.all("table") == []
        assert "No cluster lives" not in shown.text
    answer = browse.get(f"{HERE}/api/dev/clusters/cluster-0")
    assert answer.status_code == 502
    assert "Could not connect" in answer.json()["detail"]["reason"]


def test_what_was_read_before_stays_while_aws_is_out_of_reach(browse, aws, monkeypatch):
    catalog_of(aws, [OWNED])
    data(browse, "clusters")
    aws.on("SearchProvisionedProducts", aws_error("ThrottlingException", "Rate exceeded"))
    reading.cache.forget(("clusters", "dev"))
    shown = part(browse, "clusters")
    assert "Rate exceeded" in shown.text
    assert "Shown is what was read at" in shown.text
    assert len(shown.all("tr")) == 2


def test_an_environment_without_stacks_says_how_to_get_them(browse, database, aws):
    aws.on("DescribeStacks", aws_error("ValidationError", "Stack with id x does not exist"))
    shown = part(browse, "clusters", environment="empty")
    assert "Environment empty is not deployed" in shown.text
    assert "Trigger deploy_platform for empty" in shown.text


@pytest.mark.local_aws
def test_each_cluster_of_the_environment_and_no_other(account, browse, database, calls):
    database.add_dag()
    database.add_run(DAG, "live", "running")
    of_live, of_ended = account.launch_of("live", age_hours=3), account.launch_of("ended", age_hours=2)
    account.age(account.cluster_of(of_live), 3)
    account.end_cluster(account.cluster_of(of_ended))
    account.project("notebooks", age_hours=1)
    lost = account.lose_product(account.launch_of("lost", age_hours=0.5))
    account.launch("foreign", product=account.foreign_product)
    account.cluster_outside(names.tags("dev"))
    calls()
    rows = {
        row["owner"] if row["owner"] != "airflow" else row["name"]: row
        for row in data(browse, "clusters")["data"]
    }
    assert Counter(calls()) == {
        "DescribeStacks": 4,
        "SearchProvisionedProducts": 1,
        "ListClusters": 1,
        "GetResources": 1,
    }
    assert len(rows) == 4
    live = rows[of_live]
    assert live["cluster_id"] == account.cluster_of(of_live)
    assert live["run"] == {
        "dag_id": DAG,
        "run_id": "live",
        "state": "running",
        "path": f"dags/{DAG}/runs/live",
    }
    assert live["cluster_hours"] == pytest.approx(live["age_hours"])
    assert live["cluster_hours"] >= 3
    assert (rows[of_ended]["cluster_state"], rows[of_ended]["product_status"]) == (None, "AVAILABLE")
    assert rows["SageMaker project notebooks"]["cluster_state"] == "WAITING"
    [gone] = [row for row in rows.values() if row["product_status"] is None]
    assert gone["cluster_id"] == lost
    assert "its product is gone" in gone["why_not"].lower()


@pytest.mark.local_aws
def test_a_stale_page_is_told_that_the_cluster_is_gone(account, browse, database):
    name = account.launch_of("live")
    assert data(browse, f"clusters/{name}")["fate"] == "alive"
    assert [row["name"] for row in data(browse, "clusters")["data"]] == [name]
    account.products.terminate_provisioned_product(ProvisionedProductName=name, TerminateToken=name)
    until(lambda: "there" if name in account.living_products() else "gone", "there")
    assert data(browse, f"clusters/{name}") == {"name": name, "fate": "gone", "run": None}
    assert data(browse, "clusters")["data"] == [], "what is kept of the list is read anew"


@pytest.mark.local_aws
def test_a_product_of_another_catalog_is_no_cluster_of_the_environment(account, browse, database):
    account.launch("foreign", product=account.foreign_product)
    answer = browse.get(f"{HERE}/api/dev/clusters/foreign")
    assert answer.status_code == 404
    assert "no cluster of environment dev" in answer.json()["detail"]


@pytest.mark.local_aws
def test_airflows_role_for_the_chain_may_read_it_all(account, browse, database, monkeypatch, client):
    roles = make_airflow_roles(client, "dev", boto3.client("sts").get_caller_identity()["Arn"])
    extra = {"role_arn": roles["ChainRoleArn"], "region_name": "us-east-1"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "extra": extra}))
    account.launch_of("live")
    for name in ("clusters", "platform", "coverage", "model-error"):
        told = data(browse, name)
        assert told["trouble"] is None, name
        assert told["data"] is not None, name
    assert browse.get(f"{HERE}/api/environments").json()["data"] == {"names": ["dev"]}


def test_no_answer_holds_a_credential_or_a_signed_url(browse, database, aws, monkeypatch, new_clients):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-session-token")
    database.add_dag()
    catalog_of(aws, [of_run("live")])
    for path in ("api/dev/clusters", "parts/dev/clusters", "api/dev/platform"):
        text = browse.get(f"{HERE}/{path}").text
        for secret in ("AKIA", "not-a-secret", "the-session-token", "X-Amz-", "Signature", "_token"):
            assert secret not in text


def test_the_parts_are_whole_html(browse, database, aws):
    """Every element that is opened is closed, so a part can't spill over into the next."""
    database.add_dag()
    catalog_of(aws, [of_run("live"), OWNED])

    class Balance(Read):
        def __init__(self, text):
            self.open = []
            super().__init__(text)

        def handle_starttag(self, tag, attrs):
            super().handle_starttag(tag, attrs)
            if tag not in ("input", "meta", "link", "rect", "path"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    balance = Balance(browse.get(f"{HERE}/parts/dev/clusters").text)
    assert balance.open == []
