"""Sensors for S3."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.sensors.base import AwsWaitSensor
from sagemaker_emr.triggers.s3 import S3ObjectsExistTrigger

MAX_DAYS = 3660


class S3PartitionCompleteSensor(AwsWaitSensor[ArtifactsHook]):
    """Waits until each object of a data set's partitions is there.

    :param uris: ``s3://`` addresses; ``{date}`` in one stands for each day from ``first_date`` to
        ``last_date``.
    :param first_date: as ``YYYY-MM-DD``.
    :param last_date: inclusive.
    :return: ``count`` of objects.
    :raises SensorDeadlineExceeded: naming the missing objects, ten at most, and their number.
    """

    aws_hook_class = ArtifactsHook
    template_fields: Sequence[str] = aws_template_fields("uris", "first_date", "last_date")

    def __init__(
        self,
        *,
        uris: list[str],
        first_date: str | None = None,
        last_date: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.uris = uris
        self.first_date = first_date
        self.last_date = last_date

    def trigger(self) -> S3ObjectsExistTrigger:
        return S3ObjectsExistTrigger(
            uris=expand_dates(self.uris, self.first_date, self.last_date), **self.trigger_parameters
        )


def expand_dates(uris: list[str], first_date: str | None, last_date: str | None) -> list[str]:
    """Each address with its ``{date}`` filled in, for each day of the range.

    :raises InvalidInput: the range is missing, empty or absurd.
    """
    if not any("{date}" in uri for uri in uris):
        return list(uris)
    try:
        first, last = date.fromisoformat(first_date or ""), date.fromisoformat(last_date or "")
    except ValueError as error:
        raise InvalidInput(
            f"No range of dates from {first_date!r} to {last_date!r}", reason=str(error)
        ) from error
    days = (last - first).days + 1
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput(
            f"No range of dates from {first} to {last}", reason=f"expected 1 to {MAX_DAYS} days, got {days}"
        )
    dates = [str(first + timedelta(days=day)) for day in range(days)]
    filled = [uri.replace("{date}", day) for uri in uris for day in dates]
    return list(dict.fromkeys(filled))
