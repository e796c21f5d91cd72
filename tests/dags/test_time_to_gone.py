"""How long a cluster that nobody needs lives on, in each of the three layers, in AWS's seconds.

    .venv/bin/pytest -rP tests/dags/test_time_to_gone.py

prints what docs/reliability.md tells: the time of this process multiplied by the scale of the embedded AWS,
so that the work of this machine counts as if it were AWS's.
"""

from __future__ import annotations

import time

import pytest

from sagemaker_emr.operators.service_catalog import ServiceCatalogTerminateProductOperator
from tests.dags.orphans import ENV, RUNS, Account
from tests.dags.runs import play
from tests.local_aws.conftest import UNHURRIED_TIME_SCALE as SCALE
from tests.local_aws.conftest import client, make_client, unhurried
from tests.local_aws.servicecatalog.conftest import bare_catalog, catalog, launch_role, template_url
from tests.plugins.sagemaker_emr.conftest import context, run_task

__all__ = [
    "bare_catalog",
    "catalog",
    "client",
    "context",
    "launch_role",
    "make_client",
    "run_task",
    "template_url",
    "unhurried",
]

IDLE_SECONDS = 600
pytestmark = pytest.mark.local_aws


@pytest.fixture
def account(local_aws, airflow_user, client, catalog, template_url):
    return Account(client, catalog, template_url)


@pytest.fixture
def cluster(account, unhurried):
    """The product and the cluster of a run that has ended."""
    product = account.launch_of("ended")
    return product, account.cluster_of(product)


def measured(account, layer, begun, cluster_id):
    """Print and check: nothing of it lives."""
    seconds = (time.monotonic() - begun) * SCALE
    print(f"{layer}: {seconds:.0f} s of AWS's until all was gone")
    assert cluster_id not in account.living_clusters()
    return seconds


def test_the_teardown_ends_it_at_once(account, cluster, run_task, context):
    product, cluster_id = cluster
    context["ti"].run_id = "ended"
    begun = time.monotonic()
    ended = run_task(
        lambda: ServiceCatalogTerminateProductOperator(
            task_id="terminate_cluster", environment=ENV, bucket=account.bucket, deferrable=False
        )
    )
    measured(account, "teardown", begun, cluster_id)
    assert (ended["cluster_id"], ended["state"]) == (cluster_id, "TERMINATED")
    assert product not in account.living_products()


def test_the_auto_termination_policy_ends_the_cluster_and_leaves_the_product(account, cluster, client):
    product, cluster_id = cluster
    begun = time.monotonic()
    client("emr").put_auto_termination_policy(
        ClusterId=cluster_id, AutoTerminationPolicy={"IdleTimeout": IDLE_SECONDS}
    )
    while cluster_id in account.living_clusters():
        time.sleep(0.1)
    measured(account, "auto-termination policy", begun, cluster_id)
    told = client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["StateChangeReason"]
    assert f"idle for {IDLE_SECONDS} seconds" in told["Message"]
    assert account.living_products() == {product: "AVAILABLE"}


def test_the_reaper_ends_it_in_one_run(account, cluster, dags):
    product, cluster_id = cluster
    begun = time.monotonic()
    ran = play(dags["terminate_orphaned_clusters"], {}, others=RUNS)
    measured(account, "reaper, from the start of its run", begun, cluster_id)
    assert ran.states["report_outcome"] == "success"
    assert product not in account.living_products()
