"""Prepared dates against a plain pandas computation, on the year's first days as they were flown."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from typing import Any

import pytest
from spark_job import Spark

from local_aws.settings import PROJECT, settings
from local_stack import feed, flights
from local_stack.settings import Settings

pytestmark = pytest.mark.runtime

FIRST, LAST = flights.FIRST_DATE, flights.FIRST_DATE + datetime.timedelta(days=4)
HISTORY_DAYS = 28


def compare(bucket: str, endpoint_url: str) -> dict[str, Any]:
    """What tests/plain_features.py finds, run where pandas and pyarrow are."""
    arguments = ["--raw", f"s3://{bucket}", "--features", f"s3://{bucket}/prepared"]
    arguments += ["--from", str(FIRST), "--to", str(LAST), "--history-days", str(HISTORY_DAYS)]
    output = subprocess.run(
        [settings.sagemaker_python, PROJECT / "tests" / "plain_features.py", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        env={
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        },
    ).stdout
    found: dict[str, Any] = json.loads(output)
    return found


def test_the_feeds_first_days_are_what_a_plain_computation_gives(
    spark: Spark, s3: Any, bucket: str, endpoint_url: str
) -> None:
    feed.deliver(s3, bucket, FIRST, LAST, cache=Settings().home / "data")
    raw, features = f"s3://{bucket}", f"s3://{bucket}/prepared"
    spark.prepare(raw, features, str(FIRST), str(LAST), history_days=HISTORY_DAYS)
    assert compare(bucket, endpoint_url) == {
        "rows": {
            "2013-01-01": 831,
            "2013-01-02": 928,
            "2013-01-03": 900,
            "2013-01-04": 908,
            "2013-01-05": 717,
        },
        "differences": {},
    }

    # The comparison notices a date that was made from another history.
    spark.prepare(raw, features, str(LAST), str(LAST), history_days=3, force=True, code_hash="short")
    assert any("route_delay" in found for found in compare(bucket, endpoint_url)["differences"][str(LAST)])
