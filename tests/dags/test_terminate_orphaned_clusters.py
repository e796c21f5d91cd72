"""What no run needs is ended, what anybody may need stays, and each is explained."""

from __future__ import annotations

import importlib
import json

import pytest

from sagemaker_emr import names, params
from sagemaker_emr.exceptions import OrphansRemain
from sagemaker_emr.leases import LeaseStore
from sagemaker_emr.params import MAX_AGE_HOURS
from tests.dags.inhabitants import make_airflow_roles
from tests.dags.orphans import DAG, ENV, OLD_HOURS, PROVIDER, REGION, RUNS, Account
from tests.dags.runs import TaskInstance, play
from tests.local_aws.conftest import client, make_client
from tests.local_aws.servicecatalog.conftest import bare_catalog, catalog, launch_role, template_url

__all__ = ["bare_catalog", "catalog", "client", "launch_role", "make_client", "template_url"]

LOCAL_USER = "arn:aws:iam::123456789012:user/local"
DAG_ID = "terminate_orphaned_clusters"
TAG = {"sagemaker-emr:environment": ENV}
OURS = "sagemaker-emr-dev-delay-config"


@pytest.fixture
def account(local_aws, airflow_user, client, catalog, template_url):
    return Account(client, catalog, template_url)


@pytest.fixture
def as_chain_role(account, client, monkeypatch):
    """Airflow's connection assumes the role of the chain, for which IAM is enforced."""
    role_arn = make_airflow_roles(client, ENV, LOCAL_USER)["ChainRoleArn"]
    extra = {"role_arn": role_arn, "region_name": REGION}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "extra": extra}))


@pytest.fixture
def run(dags):
    """``run(airflow, **form)``: a whole run, which goes on past failures as Airflow does."""

    def execute(airflow=RUNS, deferrable=True, **form):
        return play(dags[DAG_ID], form, others=airflow, retry=True, deferrable=deferrable)

    return execute


def decisions(report):
    """Decision and why, by resource."""
    return {row["resource"]: (row["decision"], row["why"]) for row in report["rows"]}


def stored_report(account, ran):
    bucket, key = ran.xcoms.pull("report_outcome", "return_value", {})["report"].split("/", 3)[2:]
    return json.loads(account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


class Everything:
    """One of each: ``orphans`` are to end, each with a part of why; ``healthy`` and ``foreign`` stay."""

    def __init__(self, account, boundary):
        launch = account.launch_of
        self.airflow = dict(RUNS)
        self.orphans = {
            launch("ended"): "has ended",
            launch("ended", "untagged", tagged=False): "has ended",
            launch("ended", "unclaimed", claimed=False): "has ended",
        }
        for dag_id in ("untagged", "unclaimed", "failed", "idle", "lost"):
            self.airflow[dag_id, "ended"] = {"state": "success", "tasks": {"t": "success"}}
        with boundary.refuses("RunJobFlow"):
            self.orphans[launch("ended", "failed")] = "is ERROR"
        idle = launch("ended", "idle")
        account.end_cluster(account.cluster_of(idle))
        self.orphans[idle] = "its cluster has ended"
        lost = account.lose_product(launch("ended", "lost"))
        account.age(lost, 1)
        self.orphans[lost] = "outlived its product"
        self.orphans[launch("live-and-old", age_hours=OLD_HOURS)] = "older than"
        self.airflow[DAG, "live-and-old"] = {"state": "running"}
        account.launch("persons-old", age_hours=OLD_HOURS)
        self.orphans["persons-old"] = "older than"
        before = {*account.living_products()}
        account.project("old", OLD_HOURS)
        [of_project] = {*account.living_products()} - before
        self.orphans[of_project] = "older than"

        self.healthy = {
            launch("live"): "goes on",
            launch("cleared"): "goes on",
            launch("tearing-down"): "goes on",
            launch("of-another-airflow"): "not known",
            launch("ended", "young", age_hours=0): "younger",
        }
        self.airflow["young", "ended"] = {"state": "failed"}
        account.launch("persons")
        self.healthy["persons"] = "a person"
        self._share(account)
        account.launch("of-another-catalog", TAG, product=account.foreign_product, age_hours=OLD_HOURS)
        outside = account.cluster_outside(TAG)
        self.foreign = {"of-another-catalog": "another catalog", outside: "not launched from"}
        self.unseen = account.cluster_outside({})
        self._leave(account)

    def _share(self, account):
        for name, holder in (("held", "live"), ("given-up", "ended")):
            provider = account.lease(name, (holder,))
            product = account.launch_of(provider, PROVIDER)
            self.airflow[PROVIDER, provider] = {"state": "failed"}
            where = self.healthy if name == "held" else self.orphans
            where[product] = "hold its lease" if name == "held" else "has ended"
        self.airflow[PROVIDER, account.lease("stuck", ("live",))] = {"state": "failed"}
        self.airflow[PROVIDER, account.lease("provided", ("live",))] = {"state": "running"}
        account.lease("just-joined", ("live",))
        self.orphans["stuck"] = "nobody will bring up its cluster"
        self.healthy |= {"held": "see that", "provided": "goes on", "just-joined": "not known"}
        self.healthy["given-up"] = "see that"

    def _leave(self, account):
        """Configurations and models: five of one endpoint, and one that is not ours; and uploads."""
        models = [account.model(names.derive(OURS, number), 400 - number) for number in range(6)]
        account.serve(models[0])
        self.foreign["sagemaker-emr-dev-of-others"] = "lacks the tag"
        account.model("sagemaker-emr-dev-of-others", 400, tagged=False)
        self.kept_models = {*models[3:], models[0], "sagemaker-emr-dev-of-others"}
        self.ended_models = set(models[1:3])
        self.old_upload, self.upload = account.upload("old", 25), account.upload("young", 23)


@pytest.mark.local_aws
@pytest.mark.usefixtures("as_chain_role")
def test_exactly_the_orphans_are_ended_and_each_decision_is_explained(account, boundary, run):
    there = Everything(account, boundary)
    before = account.snapshot()

    ran = run(there.airflow, dry_run=True)
    assert ran.errors == {}
    assert account.snapshot() == before
    planned = stored_report(account, ran)
    assert planned["dry_run"] is True
    assert {row["outcome"] for row in planned["rows"]} == {""}

    ran = run(there.airflow)
    assert ran.errors == {}
    report = stored_report(account, ran)
    told = decisions(report)
    assert decisions(planned) == told
    for expected, decision in ((there.orphans, "end"), (there.healthy, "keep"), (there.foreign, "not ours")):
        for resource, why in expected.items():
            assert told[resource][0] == decision, (resource, told[resource])
            assert why in told[resource][1], (resource, told[resource])
    assert there.unseen not in told
    ended = {row["resource"] for row in report["rows"] if row["decision"] == "end"}
    assert ended == {*there.orphans, *there.ended_models, "old"}
    assert {row["outcome"] for row in report["rows"] if row["decision"] == "end"} == {"ended"}

    after = account.snapshot()
    gone = {*before["products"]} - {*after["products"]}
    assert gone == {*before["products"]} & {*there.orphans}
    of_project = "unnamed"
    assert after["clusters"] == {
        cluster_id: name
        for cluster_id, name in before["clusters"].items()
        if not {cluster_id, name} & {*there.orphans, of_project}
    }
    assert there.unseen in after["clusters"]
    assert {*after["models"]} == {*after["configs"]} == there.kept_models
    assert after["uploads"] == [there.upload]
    assert account.stored_lease("stuck").closed
    assert account.stored_lease("given-up").closed
    assert account.stored_lease("held").closed is None
    status = account.client("sagemaker").describe_project(ProjectName="old")["ProjectStatus"]
    assert status == "DeleteCompleted"

    ran = run(there.airflow)
    assert ran.errors == {}
    assert stored_report(account, ran)["counts"]["end"] == 0
    assert account.snapshot() == after


@pytest.mark.local_aws
@pytest.mark.usefixtures("airflow_user")
@pytest.mark.parametrize("deferrable", [True, False])
def test_what_can_not_be_ended_is_named_and_the_others_still_go(account, run, dags, monkeypatch, deferrable):
    # A second try finds the product TAINTED, and ends even this one.
    monkeypatch.setitem(dags[DAG_ID].get_task("end_orphan").partial_kwargs, "retries", 0)
    stubborn, other = account.launch_of("ended", protected=True), account.launch_of("ended", "other")
    ran = run({**RUNS, ("other", "ended"): {"state": "success"}}, deferrable)
    assert (ran.states["end_orphan"], ran.states["report_outcome"]) == ("failed", "failed")
    loud = ran.errors["report_outcome"]
    assert isinstance(loud, OrphansRemain)
    assert stubborn in str(loud)
    assert "could not be terminated" in str(loud)
    assert other not in str(loud)
    assert {*account.living_products()} == {stubborn}
    assert other not in account.living_clusters().values()


@pytest.mark.local_aws
@pytest.mark.usefixtures("airflow_user")
def test_a_run_that_is_cleared_between_the_two_looks_keeps_its_cluster(account, dags):
    product = account.launch_of("ended")
    airflow = dict(RUNS)

    def clear(operator):
        if operator is not None and operator.task_id == "end_orphan":
            airflow[DAG, "ended"] = {"state": "queued"}

    ran = play(dags[DAG_ID], {}, others=airflow, retry=True, on_task=clear)
    assert ran.errors == {}
    assert account.living_products() == {product: "AVAILABLE"}
    [row] = stored_report(account, ran)["rows"]
    assert row["outcome"] == "kept after a second look: its run goes on"


@pytest.mark.local_aws
@pytest.mark.usefixtures("airflow_user")
def test_a_run_that_joins_in_the_last_moment_keeps_the_shared_cluster(account, run, monkeypatch):
    provider = account.lease("given-up", ("ended",))
    product = account.launch_of(provider, PROVIDER)
    change = LeaseStore.change

    def join_first(store, wanted):
        change(store, lambda lease: lease.join("live", DAG, "live"))
        return change(store, wanted)

    monkeypatch.setattr(LeaseStore, "change", join_first)
    ran = run({**RUNS, (PROVIDER, provider): {"state": "failed"}})
    assert ran.errors == {}
    assert account.living_products() == {product: "AVAILABLE"}
    outcomes = {row["resource"]: row["outcome"] for row in stored_report(account, ran)["rows"]}
    assert outcomes[product] == "kept after a second look: a run has joined its lease"
    lease = account.stored_lease("given-up")
    assert (lease.closed, {*lease.holders}) == (None, {"live"})


@pytest.mark.local_aws
@pytest.mark.usefixtures("airflow_user")
def test_an_airflow_that_can_not_be_asked_ends_nothing_and_is_loud(account, run, monkeypatch):
    product = account.launch_of("ended")

    def broken(*_, **__):
        raise ConnectionError("no API server")

    monkeypatch.setattr(TaskInstance, "get_dr_count", broken)
    ran = run()
    assert ran.states["end_orphan"] == "upstream_failed"
    assert "find_orphaned_clusters failed before it had decided" in str(ran.errors["report_outcome"])
    assert account.living_products() == {product: "AVAILABLE"}


@pytest.mark.local_aws
@pytest.mark.usefixtures("airflow_user")
def test_an_environment_that_has_no_catalog_is_nothing_to_look_after(local_aws, run):
    ran = run()
    assert ran.errors == {}
    assert {*ran.states.values()} == {"skipped"}


@pytest.mark.local_aws
@pytest.mark.usefixtures("airflow_user")
def test_every_environment_of_the_list_is_looked_after_and_no_other(account, run, capsys):
    ended = account.launch_of("ended")
    lease = account.lease("stuck", ("live",))
    account.launch("others", {"sagemaker-emr:environment": "prod"}, product=account.foreign_product)
    airflow = {**RUNS, (PROVIDER, lease): {"state": "failed"}}

    ran = run(airflow, environment="test")
    assert {*ran.states.values()} == {"skipped"}
    assert {*account.living_products()} == {ended, "others"}

    ran = run(airflow, environment="test", also_environments=[ENV])
    assert ran.errors == {}
    report = stored_report(account, ran)
    assert report["environment"] == ENV
    assert {row["resource"] for row in report["rows"] if row["outcome"] == "ended"} == {ended, "stuck"}
    assert {*account.living_products()} == {"others"}
    assert account.stored_lease("stuck").closed
    assert "Not looked after here, since the form does not name them: prod" in capsys.readouterr().out


@pytest.mark.local_aws
@pytest.mark.usefixtures("as_chain_role")
def test_an_environment_of_the_list_that_may_not_be_read_is_named_and_keeps_nothing_from_the_rest(
    account, run
):
    ended = account.launch_of("ended")
    ran = run(also_environments=["prod"])
    assert {*ran.errors} == {"report_outcome"}
    assert "environment prod: An error occurred (AccessDenied" in str(ran.errors["report_outcome"])
    assert ended not in account.living_products()


def test_scheduled_runs_look_after_the_environments_that_airflows_machine_names(monkeypatch):
    monkeypatch.setenv(params.ENVIRONMENTS_VARIABLE, "test,prod")
    try:
        assert importlib.reload(params).ORPHANS["also_environments"].value == ["test", "prod"]
    finally:
        monkeypatch.undo()
        assert importlib.reload(params).ORPHANS["also_environments"].value == []


def test_the_default_maximum_age_is_more_than_a_shared_cluster_may_be_given(dags):
    form = dags[PROVIDER].params.get_param("max_age_hours").schema
    assert form["maximum"] + 12 < MAX_AGE_HOURS == dags[DAG_ID].params["max_age_hours"]


def test_it_watches_from_the_start_one_run_at_a_time(dags):
    dag = dags[DAG_ID]
    assert dag.is_paused_upon_creation is False
    assert dag.max_active_runs == 1
    assert dag.params["dry_run"] is False
    assert dag.params["only_deployment"] is False


def test_the_verdict_runs_whatever_happened_and_is_the_only_leaf(dags):
    dag = dags[DAG_ID]
    assert [task.task_id for task in dag.leaves] == ["report_outcome"]
    assert dag.get_task("report_outcome").trigger_rule == "all_done"
    assert dag.get_task("end_orphan").is_mapped
