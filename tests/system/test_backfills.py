"""Backfills of prepare_features in real Airflow: many runs, one cluster, each date once."""

from __future__ import annotations

import datetime
import gzip

import pytest
import requests

from tests.system.backfills import DAG, PROVIDER, backfills
from tests.system.conftest import CATCH_UP_FROM
from tests.system.conftest import DAG_ID as TRAINING

__all__ = ["backfills"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]

MONTH = (datetime.date(2013, 1, 1), datetime.date(2013, 1, 31))
DAYS = [MONTH[0] + datetime.timedelta(days=day) for day in range(31)]


@pytest.fixture(scope="module")
def january(backfills) -> dict[datetime.date, str]:
    """A backfill of the month, ended; days that other files prepared are prepared again."""
    return backfills.run(*MONTH, conf={"force": True})


@pytest.fixture(scope="module")
def earlier(backfills) -> set[str]:
    """Clusters, and runs of their provider, that were before the month's."""
    backfills.wait_until_no_cluster()
    clusters = {cluster["Id"] for cluster in backfills.stack.clusters()}
    return clusters | {run["dag_run_id"] for run in backfills.stack.airflow.runs(PROVIDER)}


def test_the_schedule_runs_each_day_since_the_one_that_the_setting_names(backfills):
    """Of none of them has the feed delivered anything: each says so, and costs no cluster."""
    yesterday = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
    days = backfills.between(CATCH_UP_FROM, yesterday)

    def scheduled() -> set[datetime.date]:
        return {day for day, run in backfills.runs().items() if run["run_type"] == "scheduled"}

    backfills.stack.wait_until(lambda: scheduled() >= set(days), "each day got its run")
    assert min(scheduled()) == CATCH_UP_FROM
    for day in days:
        assert backfills.stack.wait_for_end(backfills.run_id(day), DAG) == "success"
        assert backfills.task_states(day)["join_cluster"] == "skipped"
        assert f"date={day}/flights.csv.gz does not exist" in backfills.log(day, "check_partition")


def test_a_month_is_prepared(backfills, earlier, january):
    assert january == dict.fromkeys(DAYS, "success")
    assert {backfills.task_states(day)["prepare_features"] for day in DAYS} == {"success"}
    assert [day for day in DAYS if backfills.manifest(day) is None] == []


def test_the_month_is_what_a_plain_computation_makes_of_it(backfills, january):
    differences, rows = backfills.differences(*MONTH)
    assert differences == {}
    assert list(rows) == [str(day) for day in DAYS]
    assert min(rows.values()) > 500


def test_a_month_that_is_prepared_needs_neither_cluster_nor_spark(backfills, january):
    before = len(backfills.stack.clusters()), len(backfills.stack.airflow.runs(PROVIDER))
    manifests = {day: backfills.manifest(day) for day in DAYS}
    assert backfills.run(*MONTH, reprocess="completed") == dict.fromkeys(DAYS, "success")
    for day in DAYS:
        states = backfills.task_states(day)
        assert states["join_cluster"] == states["prepare_features"] == "skipped"
    assert (len(backfills.stack.clusters()), len(backfills.stack.airflow.runs(PROVIDER))) == before
    assert {day: backfills.manifest(day) for day in DAYS} == manifests


def test_a_date_that_is_prepared_is_not_prepared_again_by_hand(backfills, january):
    clusters = len(backfills.stack.clusters())
    assert backfills.by_hand(date=str(MONTH[1])) == ("success", "skipped")
    assert len(backfills.stack.clusters()) == clusters


def test_a_day_that_is_not_over_is_refused(backfills):
    today = datetime.datetime.now(datetime.UTC).date()
    assert backfills.by_hand(date=str(today))[0] == "failed"
    assert "that day is not over" in backfills.log_of_last("check_partition")


@pytest.mark.parametrize(("choice", "state"), [("skip", "success"), ("fail", "failed")])
def test_a_day_before_the_feed_is_skipped_or_fails_as_the_form_says(backfills, choice, state):
    assert backfills.by_hand(date="2012-06-01", when_raw_data_is_missing=choice)[0] == state
    assert "date=2012-06-01/flights.csv.gz does not exist" in backfills.log_of_last("check_partition")


def test_a_range_without_raw_data_is_skipped_and_says_so(backfills, january):
    providers = len(backfills.stack.airflow.runs(PROVIDER))
    days = [datetime.date(2012, 6, day) for day in (2, 3)]
    assert backfills.run(days[0], days[-1]) == dict.fromkeys(days, "success")
    for day in days:
        assert backfills.task_states(day)["prepare_features"] == "skipped"
        assert f"date={day}/flights.csv.gz does not exist" in backfills.log(day, "check_partition")
    assert len(backfills.stack.airflow.runs(PROVIDER)) == providers


def test_a_range_in_the_future_is_refused(backfills):
    tomorrow = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    with pytest.raises(requests.HTTPError, match="future dates"):
        backfills.stack.airflow.backfill(DAG, tomorrow, tomorrow, runs_at_once=1)


def test_one_cluster_prepared_the_month_and_ended(backfills, earlier, january):
    """Looked at only now: the cluster is kept for a minute, in which the tests above need none."""
    backfills.wait_until_no_cluster()
    runs = backfills.stack.airflow.runs(PROVIDER)
    assert [run["state"] for run in runs if run["dag_run_id"] not in earlier] == ["success"]
    clusters = [cluster for cluster in backfills.stack.clusters() if cluster["Id"] not in earlier]
    assert [cluster["Status"]["State"] for cluster in clusters] == ["TERMINATED"]


def test_a_damaged_raw_file_fails_its_date_and_no_date_before_it(backfills):
    """Dates after it look back on it, so they fail too; once it is mended, all are prepared."""
    first, damaged, last = backfills.fresh(datetime.date(2013, 6, 5), datetime.date(2013, 6, 7))
    key = f"flights/date={damaged}/flights.csv.gz"
    with backfills.replaced(key, lambda whole: whole[: len(whole) // 2]):
        states = backfills.run(first, last)
        assert states == {first: "success", damaged: "failed", last: "failed"}
        assert backfills.manifest(damaged) is None
        log = backfills.log(damaged, "prepare_features")
        assert f"{key} can't be read" in log or f"{key} is damaged" in log
    assert set(backfills.run(first, last, reprocess="failed").values()) == {"success"}
    assert backfills.manifest(last)


def test_a_schema_that_changes_within_a_range_fails_the_dates_that_need_the_file_and_no_other(backfills):
    """Weather is looked back on for a day; once it is mended, all dates are prepared."""
    first, changed, after, last = backfills.fresh(datetime.date(2013, 6, 22), datetime.date(2013, 6, 25))
    key = f"weather/date={changed}/weather.csv.gz"

    def rename_column(whole: bytes) -> bytes:
        header, _, rows = gzip.decompress(whole).partition(b"\n")
        assert b"visib" in header
        return gzip.compress(header.replace(b"visib", b"visibility_km") + b"\n" + rows)

    with backfills.replaced(key, rename_column):
        states = backfills.run(first, last)
        assert states == {first: "success", changed: "failed", after: "failed", last: "success"}
        assert [backfills.manifest(day) for day in (changed, after)] == [None, None]
        for day in (changed, after):
            log = backfills.log(day, "prepare_features")
            assert f"{key} can't be read as a table of weather: line 1, column visibility_km" in log
            assert backfills.tries(day, "prepare_features") == 1
    unharmed = [backfills.etag(day) for day in (first, last)]
    states = backfills.run(first, last, reprocess="failed")
    assert states == dict.fromkeys((first, changed, after, last), "success")
    assert [backfills.etag(day) for day in (first, last)] == unharmed
    assert backfills.differences(first, last)[0] == {}


def test_a_day_that_is_not_as_expected_fails_and_what_was_prepared_is_put_aside(backfills):
    (date,) = backfills.fresh(datetime.date(2013, 6, 28), datetime.date(2013, 6, 28))

    def repeat_a_flight(whole: bytes) -> bytes:
        rows = gzip.decompress(whole).splitlines(keepends=True)
        return gzip.compress(b"".join([*rows, rows[1]]))

    with backfills.replaced(f"flights/date={date}/flights.csv.gz", repeat_a_flight):
        assert backfills.by_hand(date=str(date)) == ("failed", "failed")
    assert backfills.manifest(date) is None
    (document,) = backfills.quarantined(date)
    (failed,) = document["failed_expectations"]
    assert (failed["expectation"], failed["rows"]) == ("a flight is there more than once", 1)
    assert document["files"]
    log = backfills.log_of_last("prepare_features")
    assert f"{failed['column']}: a flight is there more than once (1 rows)" in log
    assert f"_quarantine/date={date}/{document['batch']}.json" in log


def test_a_backfill_that_is_cancelled_leaves_nothing_half_done(backfills):
    first, *others = backfills.fresh(datetime.date(2013, 6, 12), datetime.date(2013, 6, 15))
    backfill = backfills.stack.airflow.backfill(DAG, first, others[-1], runs_at_once=1)
    backfills.stack.wait_until(lambda: backfills.states().get(first) == "running", "the first date began")
    backfills.stack.airflow.change_backfill(backfill, "cancel")
    states = backfills.states_at_the_end(backfill, first, others[-1])
    assert states == {first: "success", **dict.fromkeys(others, "failed")}
    assert [backfills.manifest(day) is not None for day in states] == [
        state == "success" for state in states.values()
    ]


def test_a_date_that_is_cleared_while_it_runs_is_prepared_once_and_announced(backfills):
    backfills.stack.airflow.unpause(TRAINING)
    (date,) = backfills.fresh(datetime.date(2013, 6, 20), datetime.date(2013, 6, 20))
    run_id = backfills.stack.airflow.trigger(DAG, {"date": str(date)})

    def state() -> str | None:
        tasks = backfills.stack.airflow.tasks(DAG, run_id)
        return next((t["state"] for t in tasks if t["task_id"] == "prepare_features"), None)

    backfills.stack.wait_until(lambda: state() == "deferred", "the batch is waited for")
    backfills.stack.airflow.clear(DAG, run_id, ["prepare_features"])
    assert backfills.stack.wait_for_end(run_id, DAG) == "success"
    assert backfills.manifest(date)["rows"] > 0

    def told() -> list[str]:
        runs = backfills.stack.airflow.runs(TRAINING)
        return [run["dag_run_id"] for run in runs if run["partition_key"] == f"dev|{date}"]

    [training] = backfills.stack.wait_until(told, "a run of the training for the day")
    assert backfills.stack.wait_for_end(training, TRAINING) == "success"
    backfills.stack.airflow.pause(TRAINING)


def test_a_backfill_that_is_paused_costs_no_cluster_and_goes_on_where_it_was(backfills):
    first, *others = days = backfills.fresh(datetime.date(2013, 7, 1), datetime.date(2013, 7, 3))
    backfill = backfills.stack.airflow.backfill(DAG, first, others[-1], runs_at_once=1)
    backfills.stack.wait_until(lambda: backfills.manifest(first), "the first date is committed", 600)
    backfills.stack.airflow.change_backfill(backfill, "pause")
    backfills.stack.wait_until(
        lambda: "running" not in backfills.states().values(), "what ran when it was paused ended", 600
    )
    backfills.wait_until_no_cluster()  # nor one that the tests above left
    states = {day: backfills.states()[day] for day in days}
    assert (states[first], states[others[-1]]) == ("success", "queued")
    assert set(states.values()) == {"success", "queued"}
    prepared = [day for day, state in states.items() if state == "success"]
    assert [day for day in days if backfills.manifest(day)] == prepared
    etags = [backfills.etag(day) for day in prepared]

    backfills.stack.airflow.change_backfill(backfill, "unpause")
    assert backfills.states_at_the_end(backfill, first, others[-1]) == dict.fromkeys(days, "success")
    assert [backfills.etag(day) for day in prepared] == etags
    assert backfills.differences(first, others[-1])[0] == {}
