"""How well the models of an environment predicted, by the evaluations that runs left in S3."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from sagemaker_emr.exceptions import SageMakerEmrError
from sagemaker_emr.hooks.sagemaker_output import EVALUATION, parse_evaluation
from sagemaker_emr.web.control_room.models import Evaluation, ModelError
from sagemaker_emr.web.control_room.sources import Sources

SHOWN = 60
"""The newest evaluations; one that was read is not read again, so a view reads only what is new."""

REMEMBERED = 2000
THREADS = 8
PREFIX = "evaluations/"


class Evaluations:
    """Evaluations by bucket, key and version: what lies there under one ETag never changes."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str], Evaluation | None] = OrderedDict()

    def read(self, aws: Sources, environment: str, bucket: str) -> ModelError:
        """The newest ones: a call for each thousand objects below the prefix, and one for each not known yet.

        A model has two objects there. What is no evaluation is left out.
        """
        listed = [one for one in aws.s3.objects(bucket, PREFIX) if one["Key"].endswith(f"/{EVALUATION}")]
        newest = sorted(listed, key=lambda one: one["LastModified"], reverse=True)[:SHOWN]
        with ThreadPoolExecutor(THREADS) as threads:
            found = list(threads.map(lambda one: self._one(aws, bucket, one), newest))
        shown = sorted(
            (one for one in found if one is not None), key=lambda one: (one.last_day, one.judged_at)
        )
        return ModelError(environment=environment, evaluations=shown, total=len(listed))

    def _one(self, aws: Sources, bucket: str, listed: Any) -> Evaluation | None:
        key = bucket, listed["Key"], listed["ETag"]
        if key in self._known:
            return self._known[key]
        found = self._known[key] = _read(aws, bucket, listed)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found


def _read(aws: Sources, bucket: str, listed: Any) -> Evaluation | None:
    uri = f"s3://{bucket}/{listed['Key']}"
    data = aws.s3.conn.get_object(Bucket=bucket, Key=listed["Key"])["Body"].read()
    try:
        evaluation = parse_evaluation(data, uri)
        last_day, trained_until = (
            max(date.fromisoformat(day) for day in evaluation[dates])
            for dates in ("evaluation_dates", "training_dates")
        )
    except (SageMakerEmrError, TypeError, ValueError):
        return None
    return Evaluation(
        job_name=listed["Key"].removeprefix(PREFIX).removesuffix(f"/{EVALUATION}"),
        judged_at=listed["LastModified"],
        last_day=last_day,
        trained_until=trained_until,
        rmse=evaluation["rmse"],
        baseline_rmse=evaluation["baseline_rmse"],
        beats=evaluation["rmse"] < min(evaluation["baselines"].values()),
    )
