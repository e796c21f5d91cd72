"""How well models predicted, over a bucket of the embedded AWS."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_emr.web.control_room import charts, reading
from sagemaker_emr.web.control_room.model_error import SHOWN
from sagemaker_emr.web.control_room.models import Evaluation
from tests.plugins.sagemaker_emr.web.control_room.conftest import data, part, put_evaluation


@pytest.fixture
def judge(account):
    s3 = account.client("s3")
    return lambda *args, **kwargs: put_evaluation(s3, account.bucket, *args, **kwargs)


@pytest.mark.local_aws
def test_models_are_shown_by_their_last_day_with_the_baseline_that_they_had_to_beat(judge, account, browse):
    judge("job-2", "2013-02-20", 17.25)
    judge("job-1", "2013-02-17", 20.5)
    account.client("s3").put_object(
        Bucket=account.bucket, Key="evaluations/broken/evaluation.json", Body=b'{"rmse": "NaN"}'
    )
    found = data(browse, "model-error")["data"]
    assert [
        (one["job_name"], one["last_day"], one["rmse"], one["beats"]) for one in found["evaluations"]
    ] == [
        ("job-1", "2013-02-17", 20.5, False),
        ("job-2", "2013-02-20", 17.25, True),
    ]
    assert found["evaluations"][1]["trained_until"] == "2013-02-17"
    shown = part(browse, "model-error")
    circles = [circle["class"] for circle in shown.all("circle", cx="") if circle["cx"] not in ("5", "12")]
    assert circles == ["refused", "beats"]
    assert "17.250" in shown.text
    assert "20.500" in shown.text


@pytest.mark.local_aws
def test_an_evaluation_is_read_once(judge, browse, calls):
    for number in range(3):
        judge(f"job-{number}", f"2013-02-1{number}", 17)
    calls()
    data(browse, "model-error")
    assert Counter(calls())["GetObject"] == 3
    judge("job-new", "2013-02-20", 17)
    calls()
    reading.cache.clear()
    assert len(data(browse, "model-error")["data"]["evaluations"]) == 4
    assert Counter(calls())["GetObject"] == 1
    judge("job-new", "2013-02-20", 18)
    reading.cache.clear()
    assert data(browse, "model-error")["data"]["evaluations"][-1]["rmse"] == 18


@pytest.mark.local_aws
def test_of_many_the_newest_are_shown_and_read(judge, browse, calls):
    for number in range(SHOWN + 5):
        judge(f"job-{number}", "2013-02-10", 17)
    calls()
    found = data(browse, "model-error")["data"]
    assert (len(found["evaluations"]), found["total"]) == (SHOWN, SHOWN + 5)
    assert Counter(calls())["GetObject"] == SHOWN
    assert f"The newest {SHOWN} of {SHOWN + 5}" in part(browse, "model-error").text


@pytest.mark.local_aws
def test_before_any_model_the_page_says_so(account, browse):
    assert "No model was evaluated yet in dev" in part(browse, "model-error").text


ERRORS = st.floats(0, 1e6, allow_nan=False)


@given(ERRORS, ERRORS)
def test_ticks_are_round_numbers_that_enclose_what_is_shown(one, other):
    low, high = sorted((one, other))
    ticks = charts.nice_ticks(low, high)
    slack = (ticks[1] - ticks[0]) * 1e-6 + 1e-9
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))


@given(
    st.lists(st.tuples(st.dates(date(2000, 1, 1), date(2030, 1, 1)), ERRORS, ERRORS), min_size=1, max_size=20)
)
def test_every_point_lies_within_the_plot(values):
    plot = charts.error_plot(
        [
            Evaluation(
                job_name="job",
                judged_at=datetime(2026, 1, 1, tzinfo=UTC),
                last_day=day,
                trained_until=day,
                rmse=rmse,
                baseline_rmse=baseline,
                beats=rmse < baseline,
            )
            for day, rmse, baseline in values
        ]
    )
    for point in plot.points:
        assert charts.MARGIN_LEFT <= point.x <= plot.width - charts.MARGIN_RIGHT
        for y in (point.y, point.baseline_y):
            assert charts.MARGIN_TOP - 0.2 <= y <= plot.height - charts.MARGIN_BOTTOM + 0.2
