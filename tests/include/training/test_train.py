"""train.py, run as the training toolkit runs it."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.runtime


def test_a_job_writes_model_evaluation_and_predictions(trained: Any) -> None:
    result = trained.result()
    assert result["training_dates"] == ["2013-03-01", "2013-03-02"]
    assert result["evaluation_dates"] == ["2013-03-03", "2013-03-04"]
    assert (result["training_rows"], result["evaluation_rows"]) == (600, 300)
    assert set(result["baselines"]) == {"mean", "route_mean"}
    assert result["baseline_rmse"] == min(result["baselines"].values())
    assert result["rmse"] < result["baseline_rmse"] / 1.5
    assert (trained.model / "model.ubj").stat().st_size > 0


def test_predictions_are_at_most_200_held_out_rows_with_null_for_missing(trained: Any) -> None:
    rows = trained.predictions()
    assert len(rows) == 150  # every second of 300
    assert set(rows[0]) == {"features", "actual", "prediction"}
    assert any(row["features"]["wind_gust"] is None for row in rows)
    squares = [(row["actual"] - row["prediction"]) ** 2 for row in rows]
    assert (sum(squares) / len(squares)) ** 0.5 == pytest.approx(trained.result()["rmse"], rel=0.2)


def test_metrics_are_in_the_log_and_the_same_again_on_more_threads(trained: Any) -> None:
    before = (trained.model / "model.ubj").read_bytes(), trained.predictions()
    done = trained.run("--min_child_weight", "5", cpus=2)
    found = dict(re.findall(r"(\w+)=([0-9.]+);", done.stdout))
    result = trained.result()
    assert float(found["rmse"]) == pytest.approx(result["rmse"], abs=1e-6)
    assert float(found["baseline_rmse"]) == pytest.approx(result["baseline_rmse"], abs=1e-6)
    assert ((trained.model / "model.ubj").read_bytes(), trained.predictions()) == before


def test_baselines_are_those_of_the_training_rows(trained: Any) -> None:
    """The made-up delays have mean zero and a spread of about 11 minutes; so has the error of any mean."""
    assert trained.result()["baselines"] == {
        "mean": pytest.approx(11.2, abs=1),
        "route_mean": pytest.approx(11.2, abs=1),
    }


@pytest.mark.parametrize("day", ["2013-03-01", "2013-03-02"], ids=["before", "the last day"])
def test_evaluation_on_a_day_of_training_is_refused(job: Any, day: str) -> None:
    job.write(job.train, "2013-03-01", "2013-03-02")
    job.write(job.evaluation, day, "2013-03-03")
    done = job.run()
    assert done.returncode != 0
    assert f"evaluation starts on {day}, not after the last day of training, 2013-03-02" in done.stderr
    assert not job.output.exists()


def test_an_empty_channel_is_named(job: Any) -> None:
    job.write(job.train, "2013-03-01")
    job.evaluation.mkdir()
    done = job.run()
    assert done.returncode != 0
    assert "channel evaluation holds no parquet file" in done.stderr


def test_a_missing_column_is_named(job: Any) -> None:
    job.write(job.train, "2013-03-01", without=["plane_age"])
    job.write(job.evaluation, "2013-03-02")
    done = job.run()
    assert done.returncode != 0
    assert re.search(r"channel train can't be read: .*plane_age", done.stderr)


def test_an_unknown_hyperparameter_is_refused(job: Any) -> None:
    done = job.run("--depth", "3")
    assert done.returncode != 0
    assert "unrecognized arguments: --depth" in done.stderr
