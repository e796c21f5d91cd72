"""The report: ratios, calls by caller, and when a benchmark has failed."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import report
from bench.accounting import ClusterLife, Span
from bench.report import Measured

DAY = "2013-01-01"


def measured(name: str = "shared", clusters: int = 1, **changed: Any) -> Measured:
    lives = [ClusterLife(f"j-{number}", Span(0, 4), 30.5, run=DAY) for number in range(clusters)]
    defaults: dict[str, Any] = {
        "places": 1,
        "runs": {DAY: Span(0, 40)},
        "states": {DAY: "success"},
        "clusters": lives,
        "wall_seconds": 41.0,
        "calls": {"airflow": Counter({"emr:DescribeStep": 7}), "clusters": Counter({"s3:GetObject": 90})},
        "partitions": {DAY: {"rows": 838}},
        "load": [(0.1, 0.2, 0.3), (2.0, 1.0, 0.5)],
    }
    return Measured(name=name, **(defaults | changed))


def test_the_first_side_is_what_the_others_are_compared_with() -> None:
    shared, stock = report.compute([measured(), measured("stock", clusters=5)], 60.0)["sides"]
    assert shared["times_cluster_seconds"] == 1
    assert stock["times_cluster_seconds"] == 5
    assert stock["clusters"] == 5
    assert shared["cluster_seconds"] == 30.5 + 265.5
    assert (shared["api_calls"], shared["api_calls_of_clusters"]) == (7, 90)


def test_calls_of_airflow_and_of_clusters_are_counted_apart() -> None:
    calls: dict[str, Counter[str]] = {"airflow": Counter(), "clusters": Counter()}
    requests = [
        {"user_agent": "Boto3/1 AmPP/abc", "service": "emr", "operation": "DescribeStep"},
        {"user_agent": "Hadoop 3.3.4", "service": "s3", "operation": "GetObject"},
        {"user_agent": None, "service": "s3", "operation": "GetObject"},
    ]
    report.count(requests, calls)
    assert calls == {"airflow": Counter({"emr:DescribeStep": 1}), "clusters": Counter({"s3:GetObject": 2})}


def test_another_content_or_a_failed_run_is_no_good_result() -> None:
    assert report.is_good(report.compute([measured(), measured()], 60.0))
    other = measured(partitions={DAY: {"rows": 837}})
    assert not report.is_good(report.compute([measured(), other], 60.0))
    missing = measured(partitions={DAY: None}, states={DAY: "failed"})
    assert not report.is_good(report.compute([missing, missing], 60.0))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"states": {DAY: "failed"}, "partitions": {DAY: None}}, "FAILED"),
        ({"partitions": {DAY: None}}, "NOT PREPARED, though the run succeeded"),
        ({"partitions": {DAY: {"rows": 837}}}, "OTHER CONTENT"),
    ],
)
def test_what_is_not_as_it_should_be_is_shown_with_its_days(changed: dict[str, Any], told: str) -> None:
    shown = io.StringIO()
    result = report.compute([measured(), measured("stock", **changed)], 60.0)
    report.show(Console(file=shown, width=200), result)
    lines = [line for line in shown.getvalue().splitlines() if "stock, 1 at once" in line]
    assert lines == [f"{told}: stock, 1 at once: 2013-01-01"]


def test_the_report_is_written_as_json(tmp_path: Path) -> None:
    result = report.compute([measured()], 60.0)
    report.write(tmp_path / "bench" / "report.json", result)
    assert json.loads((tmp_path / "bench" / "report.json").read_text())["days"] == 1
