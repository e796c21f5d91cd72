"""The page in Debian's Chromium, before a stand-in for Airflow: every bad input is a clear state of it.

With Airflow around it, and real clusters: tests/system/test_control_room.py.
"""

from __future__ import annotations

import re
import socket
import threading
from types import SimpleNamespace

import pytest
import uvicorn
from airflow.api_fastapi.common.db.common import _get_session
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI, HTTPException, Request
from playwright.sync_api import expect

from bench.chromium import launched
from sagemaker_emr.web.app import app
from sagemaker_emr.web.control_room import reading, words
from tests.chromium import needs_chromium
from tests.plugins.sagemaker_emr.conftest import aws_error
from tests.plugins.sagemaker_emr.web.control_room.conftest import HERE, HOSTILE, catalog_of
from tests.plugins.sagemaker_emr.web.control_room.test_page_view import evaluation, objects

PATIENCE_MS = 120_000
WIDE, NARROW = {"width": 1360, "height": 900}, {"width": 375, "height": 800}
CHAIN = "train_and_deploy_model"
OWNED = {"sagemaker-emr:owner": "ana"}
DETAIL = {"ProvisionedProductDetail": {"Name": "cluster-0", "ProductId": "prod-1"}}

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def chromium():
    expect.set_options(timeout=PATIENCE_MS)
    with launched() as browser:
        yield browser


@pytest.fixture
def airflow(database, rights, monkeypatch):
    """A server with the plugin's app and Airflow's way to trigger; ``triggered``: what it was asked for."""
    one_at_a_time = threading.Lock()  # the page asks for its parts at once, and there is one session

    def session():
        with one_at_a_time:
            yield database.session

    monkeypatch.setitem(app.dependency_overrides, _get_session, session)
    airflow = FastAPI()
    told = SimpleNamespace(triggered=[], refuses=None)

    @airflow.post("/api/v2/dags/terminate_cluster/dagRuns")
    async def trigger(request: Request):
        if told.refuses:
            raise HTTPException(*told.refuses)
        told.triggered.append(await request.json())
        return {"dag_run_id": "manual__1"}

    airflow.mount("/sagemaker-emr", app)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(airflow, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    told.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield told
    server.should_exit = True
    thread.join(60)
    listener.close()


@pytest.fixture
def full(database, aws):
    """An environment with something in every part of the page."""
    database.add_dag()
    database.add_run(CHAIN, "run-0", "success")
    for name, begin, end in (("choose_window", 0, 10), ("train_model", 10, 100)):
        database.add_task("run-0", name, begin, end)
    catalog_of(aws, [{**OWNED, "sagemaker-emr:dag": CHAIN, "sagemaker-emr:run": "run-0"}, OWNED])
    aws.on("ListStacks", {"StackSummaries": []})
    aws.on("ListObjectsV2", objects)
    aws.on("GetObject", evaluation)
    aws.on("DescribeProvisionedProduct", DETAIL)
    return aws


@pytest.fixture
def look(chromium, airflow):
    """``look()``: the page, filled, in a browser; whatever a script says or breaks fails the test."""
    contexts, complaints = [], []

    def look(theme="light", viewport=WIDE):
        context = chromium.new_context(viewport=viewport, color_scheme=theme)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.add_cookies([{"name": "_token", "value": "airflow's", "url": airflow.url}])
        page = context.new_page()
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{airflow.url}{HERE}")
        for part in page.locator("main [data-part]").all():
            expect(part).to_have_attribute("aria-busy", "false")
        return page

    yield look
    for context in contexts:
        context.close()
    assert complaints == []


def fits(page):
    """Whether nothing scrolls the page sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def violations(page):
    """What axe finds that is serious."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def terminate(page, product="cluster-0"):
    """Press the button of a product, and then that of the question."""
    page.get_by_role("button", name=f"Terminate {product}").click()
    dialog = page.get_by_role("dialog", name="Terminate this cluster?")
    dialog.get_by_role("button", name="Terminate").click()
    return dialog


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_it_is_accessible_and_fits(theme, viewport, full, look):
    page = look(theme, viewport)
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    assert fits(page)
    assert violations(page) == []
    page.get_by_role("button", name="Terminate cluster-0").click()
    expect(page.get_by_role("dialog", name="Terminate this cluster?")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_hostile_names_run_no_script_and_break_no_layout(viewport, database, full, look):
    tags = [
        {"sagemaker-emr:owner": hostile, "sagemaker-emr:dag": CHAIN, "sagemaker-emr:run": hostile}
        for hostile in HOSTILE
    ]
    for number, hostile in enumerate(HOSTILE):
        database.add_run(CHAIN, hostile[:250], "failed" if number % 2 else "success")
    catalog_of(full, tags)
    page = look(viewport=viewport)
    assert fits(page)
    assert page.locator("#clusters tbody tr").count() == len(HOSTILE)
    assert page.locator("h1").all_text_contents() == ["Control room"]
    assert page.locator("img").count() == 0
    for number, hostile in enumerate(HOSTILE):
        row = page.locator("#clusters tbody tr").nth(number)
        assert words.visible(hostile) in row.text_content()
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", row.text_content()), (
            "nothing turns what is beside"
        )
        box, region = row.bounding_box(), page.locator("#clusters").bounding_box()
        assert box["height"] < 700, f"a row as high as a page: {hostile}"
        assert box["x"] >= region["x"]
    page.get_by_role("button", name="Terminate cluster-5").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(HOSTILE[5][:250])
    box = dialog.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= viewport["width"]
    assert violations(page) == []


def test_a_termination_asks_first_and_is_airflows_to_do(airflow, full, look):
    page = look()
    page.get_by_role("button", name="Terminate cluster-0").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cluster-0")
    dialog.get_by_role("button", name="Cancel").click()
    assert airflow.triggered == []
    expect(terminate(page)).to_contain_text("cluster-0 is being terminated")
    assert airflow.triggered == [
        {"logical_date": None, "conf": {"environment": "dev", "provisioned_product": "cluster-0"}}
    ]


def test_a_viewer_who_presses_terminate_is_told_why_nothing_happens(airflow, rights, full, look):
    rights.denied = {("POST", "terminate_cluster")}
    page = look()
    button = page.get_by_role("button", name="Terminate cluster-0")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("You need the right to trigger the DAG")
    expect(page.locator("dialog")).to_be_hidden()
    assert airflow.triggered == []
    assert violations(page) == []


def test_a_right_that_was_lost_meanwhile_is_told_in_the_question(airflow, full, look):
    page = look()
    airflow.refuses = (403, "Forbidden")
    expect(terminate(page)).to_contain_text("You may not do this: Airflow answers 403 Forbidden.")
    airflow.refuses = (409, "The DAG is paused")
    page.get_by_role("dialog").get_by_role("button", name="Terminate").click()
    expect(page.get_by_role("dialog")).to_contain_text("The DAG is paused")


def test_a_page_from_before_the_clusters_end_asks_for_no_second_one(airflow, full, look):
    page = look()
    gone = aws_error("ResourceNotFoundException", "Provisioned product not found")
    full.on("DescribeProvisionedProduct", gone)
    catalog_of(full, [])
    expect(terminate(page)).to_contain_text("cluster-0 is terminated already.")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#clusters")).to_contain_text("No cluster lives in dev")
    expect(page.get_by_role("button", name="Refresh")).to_be_focused()
    assert airflow.triggered == []


def test_aws_out_of_reach_is_told_in_every_part_that_reads_it(full, look):
    refused = aws_error("RequestTimeout", "AWS does not answer <b>now</b>")
    for operation in ("DescribeStacks", "ListStacks", "ListObjectsV2"):
        full.on(operation, refused)
    page = look(viewport=NARROW)
    for part in ("clusters", "platform", "coverage", "model-error"):
        expect(page.locator(f"#{part}")).to_contain_text("AWS does not answer <b>now</b>")
    expect(page.locator("#runs")).to_contain_text("run-0")
    assert page.locator("#clusters table").count() == 0
    assert fits(page)
    assert violations(page) == []


def test_who_is_logged_out_meanwhile_is_told_so_and_keeps_what_is_shown(full, look):
    page = look()
    page.context.clear_cookies()
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#clusters")).to_contain_text("You are logged out: reload the page to log in.")
    expect(page.locator("#clusters table")).to_be_visible()


def test_hundreds_of_clusters_are_paged_with_the_keyboard_and_filtered(database, full, look):
    catalog_of(full, [OWNED] * 300)
    page = look()
    expect(page.locator("#clusters")).to_contain_text("Page 1 of 12")
    assert page.locator("#clusters tbody tr").count() == 25
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#clusters")).to_contain_text("Page 2 of 12")
    expect(page.get_by_role("button", name="Next")).to_be_focused()
    page.get_by_label("Filter clusters").fill("cluster-299")
    page.keyboard.press("Enter")
    expect(page.locator("#clusters")).to_contain_text("1 of 300")
    expect(page.get_by_label("Filter clusters")).to_be_focused()
    assert fits(page)


def test_the_keyboard_goes_through_the_page_in_its_order_and_is_seen(full, look):
    page = look()
    met = []
    for _ in range(40):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
              const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
              return { name: e.getAttribute("aria-label") || e.textContent.trim() || e.id, tag: e.tagName,
                       seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
                       top: box.top + scrollY };
            }"""
        )
        if found["tag"] == "BODY":
            break
        met.append(found)
    names = [one["name"] for one in met]
    wanted = ["Show", "Refresh", "Live clusters, a table", "Terminate cluster-0", "Terminate cluster-1"]
    wanted += ["Recent runs, a table", "Calendar of 2013", "Model error, a plot", "The numbers"]
    places = [names.index(name) for name in wanted]
    assert places == sorted(places)
    assert [one["name"] for one in met if not one["seen"]] == [], "focus is seen everywhere"
    tops = [one["top"] for one in met if one["name"] in wanted[2:]]
    assert tops == sorted(tops), "from above to below"


def test_the_question_holds_the_keyboard_and_gives_it_back(airflow, full, look):
    page = look()
    page.get_by_role("button", name="Terminate cluster-1").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Terminate this cluster?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    within = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate(within)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Terminate cluster-1")).to_be_focused()
    assert airflow.triggered == []


def test_the_focus_is_not_lost_with_the_row_that_had_it(full, look):
    page = look()
    page.get_by_role("button", name="Terminate cluster-1").focus()
    catalog_of(full, [])
    reading.cache.clear()
    page.evaluate("document.getElementById('refresh').click()")
    expect(page.locator("#clusters")).to_contain_text("No cluster lives in dev")
    expect(page.get_by_role("button", name="Refresh")).to_be_focused()


def test_the_pictures_are_told_in_words(full, look):
    page = look()
    calendar = page.get_by_role(
        "img", name=re.compile(r"2013: \d+ days prepared, \d+ quarantined, \d+ missing")
    )
    expect(calendar).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Error of 60 models"))).to_be_visible()
    page.get_by_text("The numbers").click()
    table = page.get_by_role("table", name="Evaluations of models in dev")
    expect(table.get_by_role("row")).to_have_count(61)
