"""The control room in a real browser: Debian's Chromium, in front of real Airflow.

Screenshots are left in ``var/control_room``. Where there is no Chromium these tests are not run, and say so.
"""

from __future__ import annotations

import re
from contextlib import suppress

import jwt
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from bench.chromium import launched
from local_stack import credentials
from local_stack.settings import PROJECT
from tests.chromium import needs_chromium
from tests.system.conftest import DAG_ID

SHOTS = PROJECT / "var" / "control_room"
PATIENCE_MS = 180_000
"""Airflow's UI is seven megabytes of script, and the machine runs Spark beside it."""

WIDE, NARROW = {"width": 1360, "height": 900}, {"width": 390, "height": 844}
PARTS = ("clusters", "platform", "runs", "coverage", "model-error")
PRODUCT = "browser-test"
OLD = """
<table><tbody><tr><td>
<button data-terminate data-product="gone-1" data-cluster="j-1" data-owner="ana" data-run="" data-run-state=""
  aria-label="Terminate gone-1">Terminate</button>
</td></tr></tbody></table>
"""
"""The clusters of a page that was read before the last one ended."""

pytestmark = [pytest.mark.system, pytest.mark.timeout(900), needs_chromium]


@pytest.fixture(scope="module")
def chromium():
    expect.set_options(timeout=PATIENCE_MS)
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def open_context(stack, chromium):
    """``open_context(role)``: a browser of a user of that role, in light or dark."""
    made = []
    token = stack.airflow.token()

    def open_(role="admin", theme="light", viewport=WIDE):
        context = chromium.new_context(viewport=viewport, base_url=stack.settings.airflow_url)
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
        value = token if role == "admin" else token_of(role, token, credentials.load(stack.settings))
        context.add_cookies([{"name": "_token", "value": value, "url": stack.settings.airflow_url}])
        made.append(context)
        return context

    yield open_
    for context in made:
        context.close()


def token_of(role, token, secrets):
    """The user's token with another role, signed as Airflow signs."""
    claims = jwt.decode(token, options={"verify_signature": False})
    algorithm = jwt.get_unverified_header(token)["alg"]
    return jwt.encode({**claims, "sub": role, "role": role.upper()}, secrets.jwt_secret, algorithm=algorithm)


@pytest.fixture(scope="module")
def cluster(stack):
    """A cluster that a person launched: its product's name, and its id."""
    stack.deploy_platform()
    catalog = stack.client("servicecatalog")
    outputs = stack.outputs("catalog")
    catalog.provision_product(
        ProductId=outputs["ProductId"],
        ProvisioningArtifactName=outputs["ProvisioningArtifactName"],
        ProvisionedProductName=PRODUCT,
        ProvisionToken=PRODUCT,
        # Kept for longer than these tests take, in the embedded AWS's time.
        ProvisioningParameters=[{"Key": "IdleTimeoutSeconds", "Value": "604800"}],
        Tags=[{"Key": "sagemaker-emr:owner", "Value": "<b>ana</b>"}],
    )

    def available():
        found = catalog.describe_provisioned_product(Name=PRODUCT)["ProvisionedProductDetail"]
        return found["Status"] == "AVAILABLE"

    stack.wait_until(available, f"{PRODUCT} is available")
    found = catalog.get_provisioned_product_outputs(ProvisionedProductName=PRODUCT)["Outputs"]
    yield PRODUCT, next(one["OutputValue"] for one in found if one["OutputKey"] == "ClusterId")
    with suppress(catalog.exceptions.ResourceNotFoundException):
        catalog.terminate_provisioned_product(ProvisionedProductName=PRODUCT, TerminateToken="afterwards")


def ids(stack, dag_id="terminate_cluster"):
    return {run["dag_run_id"] for run in stack.airflow.runs(dag_id)}


def shot(page, name, **how):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", **how)


def filled(frame):
    """Wait until every part of the page is there."""
    for name in PARTS:
        expect(frame.locator(f"#{name}")).to_have_attribute("aria-busy", "false", timeout=PATIENCE_MS)
    return frame


def alone(context):
    """The page without Airflow around it."""
    page = context.new_page()
    page.goto("/sagemaker-emr/control-room")
    return filled(page)


def framed(context):
    """The page as Airflow's sidebar leads to it."""
    page = context.new_page()
    page.goto("/plugin/control-room", wait_until="commit")
    return page, filled(page.frame_locator("iframe"))


def row_of(frame, product):
    return frame.locator("#clusters tbody tr", has_text=product)


def terminate_button(frame, product):
    return row_of(frame, product).get_by_role("button", name=f"Terminate {product}")


def test_the_form_triggers_a_run_the_graph_goes_green_and_the_control_room_shows_it(stack, open_context):
    stack.deploy_platform()
    stack.airflow.unpause(DAG_ID)
    before = ids(stack, DAG_ID)
    page = open_context().new_page()
    page.goto(f"/dags/{DAG_ID}", wait_until="commit")
    page.get_by_role("button", name="Trigger Dag", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True).click()

    def triggered():
        return ids(stack, DAG_ID) - before

    (run_id,) = stack.wait_until(triggered, "the form triggers a run")
    assert stack.wait_for_end(run_id) == "success", stack.states(run_id)

    page.goto(f"/dags/{DAG_ID}/runs/{run_id}", wait_until="commit")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()
    shot(page, "graph")

    page, room = framed(open_context())
    row = room.locator("#runs tbody tr", has_text=run_id)
    expect(row).to_contain_text("success")
    seconds = row.locator("td.number").nth(5)  # the whole, four stages, and then the training
    expect(seconds).to_have_text(re.compile(r"\d+:\d\d"))
    expect(room.locator("#coverage .day.prepared").nth(1)).to_be_attached()
    expect(room.locator("#model-error .plot circle").first).to_be_attached()
    shot(page, "framed")
    row.get_by_role("link").click()
    page.wait_for_url(re.compile(rf"/dags/{DAG_ID}/runs/"))


def test_a_viewer_can_look_and_not_terminate(stack, cluster, open_context):
    product, _ = cluster
    context = open_context("viewer")
    page = alone(context)
    button = terminate_button(page, product)
    expect(button).to_have_attribute("aria-disabled", "true")
    button.press("Enter")  # a click would wait for a button that is enabled
    expect(page.locator("dialog")).to_be_hidden()
    expect(page.locator("#said")).to_contain_text("right to trigger")
    answer = context.request.post(
        "/api/v2/dags/terminate_cluster/dagRuns",
        data={"logical_date": None, "conf": {"environment": "dev", "provisioned_product": product}},
    )
    assert answer.status == 403
    assert product in stack.products()


def test_terminate_asks_first_and_then_ends_the_cluster(stack, cluster, open_context):
    product, cluster_id = cluster
    stack.airflow.unpause("terminate_cluster")
    before = ids(stack)
    context = open_context()
    stale = alone(context)
    page, room = framed(context)
    dialog = room.get_by_role("dialog")

    expect(row_of(room, product)).to_contain_text(re.compile(r"\$\d+\.\d\d"))  # its cost so far
    label = page.get_by_label("Control", exact=True).first
    assert label.evaluate("e => [e, ...e.querySelectorAll('*')].every(x => x.scrollWidth <= x.clientWidth)")

    terminate_button(room, product).click()
    for told in (product, cluster_id, "<b>ana</b>"):
        expect(dialog).to_contain_text(told)
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    shot(page, "asks")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(terminate_button(room, product)).to_be_focused()
    assert ids(stack) == before

    terminate_button(room, product).click()
    dialog.get_by_role("button", name="Terminate").click()
    expect(dialog).to_contain_text("is being terminated")
    shot(page, "terminating")
    [run_id] = ids(stack) - before
    run = stack.airflow.run("terminate_cluster", run_id)
    assert run["conf"] == {"environment": "dev", "provisioned_product": product}
    assert run["triggering_user_name"] == credentials.USER
    expect(row_of(room, product)).to_contain_text("Terminating")

    terminate_button(stale, product).click()
    stale.get_by_role("dialog").get_by_role("button", name="Terminate").click()
    expect(stale.get_by_role("dialog")).to_contain_text(re.compile("is (being )?terminated already"))
    stale.get_by_role("button", name="Close").click()

    assert stack.wait_for_end(run_id, "terminate_cluster") == "success"
    assert product not in stack.products()
    assert cluster_id not in stack.clusters_alive()
    assert ids(stack) == {*before, run_id}


def test_a_page_from_before_the_end_is_told_that_the_cluster_is_gone(stack, open_context):
    """The list of a page that was opened before; the product is gone since the test before this one."""
    context = open_context()
    page = context.new_page()
    page.route("**/parts/dev/clusters*", lambda route: route.fulfill(body=OLD, content_type="text/html"))
    page.goto("/sagemaker-emr/control-room")
    filled(page)
    before = ids(stack)
    page.get_by_role("button", name="Terminate gone-1").click()
    page.get_by_role("dialog").get_by_role("button", name="Terminate").click()
    expect(page.get_by_role("dialog")).to_contain_text("gone-1 is terminated already")
    assert ids(stack) == before


def test_who_is_logged_out_while_looking_is_told_so(open_context):
    context = open_context()
    page = alone(context)
    context.clear_cookies()
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#clusters")).to_contain_text("You are logged out")
    expect(page.locator("#platform table")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_it_is_accessible_and_fits(theme, viewport, open_context):
    page = alone(open_context(theme=theme, viewport=viewport))
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing scrolls sideways"
    shot(page, f"{theme}-{'narrow' if viewport == NARROW else 'wide'}", full_page=True)
    found = Axe().run(page).response["violations"]
    assert [one for one in found if one["impact"] in ("serious", "critical")] == []


def test_it_has_the_colours_of_the_airflow_around_it(open_context):
    page, room = framed(open_context(theme="dark"))
    expect(room.locator("html")).to_have_attribute("data-theme", "dark")
    around, within = (
        where.evaluate("e => getComputedStyle(e).getPropertyValue('--chakra-colors-bg')")
        for where in (page.locator("html"), room.locator("html"))
    )
    assert around.strip() == within.strip() != ""
    shot(page, "framed-dark")
