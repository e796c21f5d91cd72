"""The provider of a shared cluster: its lease ends with it, whatever it could not do."""

from __future__ import annotations

import pytest
from airflow.sdk.definitions.param import process_params

from sagemaker_emr.exceptions import ClusterFailed
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.leases import LeaseStore
from sagemaker_emr.operators.shared_cluster import SharedClusterJoinOperator
from sagemaker_emr.triggers.shared_cluster import Membership
from tests.dags.runs import Airflow, Run

TEARDOWNS = ("terminate_cluster", "settle_lease", "start_successor", "confirm_outcome")


@pytest.fixture
def dag(dags):
    return dags["provide_shared_cluster"]


@pytest.fixture
def joined(local_aws, dag, monkeypatch):
    """A run that joined, as its provider is told of it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    local_aws("s3").create_bucket(Bucket="artifacts")
    run = Run(dag, {"lease": "x", "generation": 1, "lease_bucket": "artifacts"})
    join = SharedClusterJoinOperator(task_id="join_cluster", environment="dev", bucket="artifacts")
    return join.execute(run.context(dag.get_task("read_platform"), -1, 1))


@pytest.mark.local_aws
def test_the_form_takes_what_a_run_that_joins_gives_it(dag, joined):
    conf = joined["provider_conf"]
    params = process_params(dag, dag.get_task("read_platform"), conf, suppress_exception=False)
    assert {name: params[name] for name in conf} == conf


@pytest.mark.local_aws
def test_a_provider_that_could_not_read_the_platform_closes_its_lease_and_the_holders_read_why(dag, joined):
    conf = joined["provider_conf"]
    airflow = Airflow({dag.dag_id: dag})
    run = airflow.start(Run(dag, conf, joined["provider_run_id"]))
    airflow.play()
    assert (run.states["read_platform"], run.states["settle_lease"]) == ("failed", "success")
    assert run.state == "failed"
    store = LeaseStore(ArtifactsHook(), "artifacts", "dev", conf["lease"])
    [(holder_id, holder)] = store.read().holders.items()
    member = {
        "bucket": "artifacts",
        "environment": "dev",
        "name": conf["lease"],
        "holder_id": holder_id,
        "dag_id": holder.dag_id,
        "run_id": holder.run_id,
    }
    with pytest.raises(ClusterFailed, match="its provider ended early: provide_shared_cluster, run"):
        Membership(member, {}).look()


def test_the_lease_is_settled_also_where_no_cluster_was_claimed(dag):
    settle = dag.get_task("settle_lease")
    assert settle.is_teardown
    assert list(settle.get_upstreams_only_setups()) == []
    assert {task.task_id for task in dag.tasks if task.is_teardown} == set(TEARDOWNS)
    assert "read_platform" not in settle.upstream_task_ids
