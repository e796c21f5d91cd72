"""AWS's seconds from measured ones: computed by hand here, so that the formula can be wrong."""

from __future__ import annotations

import pytest

from bench.accounting import ClusterLife, Span, aws_wall_seconds, line_up, unscaled, wait_of

FACTOR = 60.0
# 240 s of AWS's waiting take 4 s here; the bootstrap worked 6 s longer than its wait.
START = Span(100.0, 110.0)


def test_a_wait_counts_as_aws_takes_it_and_work_as_it_was_measured() -> None:
    # Started in 4 s of waiting and 6 s of work, worked 50 s, ended in half a second of waiting.
    life = ClusterLife("j-1", START, ended=160.5, run="2013-01-01")
    assert life.measured_seconds() == 60.5
    assert life.paid_seconds(FACTOR) == pytest.approx(240 + 6 + 50 + 30)


def test_a_clock_that_runs_as_awss_adds_nothing() -> None:
    assert ClusterLife("j-1", START, ended=160.5).paid_seconds(1.0) == 60.5


def test_a_product_is_charged_its_own_waits_at_both_ends() -> None:
    own = ClusterLife("j-1", START, ended=160.5).paid_seconds(FACTOR)
    product = ClusterLife("j-1", START, ended=160.5, is_product=True).paid_seconds(FACTOR)
    assert product - own == pytest.approx(unscaled(2 * 12, FACTOR))


def test_a_run_waits_for_its_own_cluster_or_the_shared_one_as_far_as_it_is_there() -> None:
    other = ClusterLife("j-1", START, 160.0, run="2013-01-02")
    assert wait_of("2013-01-01", Span(0, 200), [other], FACTOR) == 0
    shared = ClusterLife("j-2", START, 160.0)
    assert wait_of("2013-01-01", Span(0, 200), [shared], FACTOR) == pytest.approx(236)
    assert wait_of("2013-01-01", Span(105, 200), [shared], FACTOR) == pytest.approx(118)
    assert wait_of("2013-01-01", Span(111, 200), [shared], FACTOR) == 0


@pytest.mark.parametrize(("places", "end"), [(1, 10.0), (2, 6.0), (3, 5.0), (9, 4.0)])
def test_runs_begin_in_order_when_a_place_is_free(places: int, end: float) -> None:
    assert line_up([1.0, 2.0, 3.0, 4.0], places) == end


def test_one_run_at_a_time_takes_what_was_measured_and_every_wait() -> None:
    runs = {"2013-01-01": Span(0, 50), "2013-01-02": Span(52, 100)}
    clusters = [
        ClusterLife("j-1", Span(5, 10), 45, run="2013-01-01"),
        ClusterLife("j-2", Span(57, 62), 95, run="2013-01-02"),
    ]
    assert aws_wall_seconds(runs, clusters, 1, 101.0, FACTOR) == pytest.approx(101 + 2 * 236)


def test_runs_side_by_side_wait_at_the_same_time() -> None:
    runs = {"2013-01-01": Span(0, 50), "2013-01-02": Span(0, 50)}
    clusters = [ClusterLife("j-1", Span(5, 10), 45, run=run) for run in runs]
    assert aws_wall_seconds(runs, clusters, 2, 51.0, FACTOR) == pytest.approx(51 + 236)


def test_runs_on_a_shared_cluster_wait_for_it_once() -> None:
    runs = {f"2013-01-{day:02}": Span(10 * day, 10 * day + 9) for day in range(1, 5)}
    shared = ClusterLife("j-1", Span(11, 15), 80)
    assert aws_wall_seconds(runs, [shared], 1, 40.0, FACTOR) == pytest.approx(40 + 236)
