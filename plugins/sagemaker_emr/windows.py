"""The days a model is trained and judged on, and which of them are prepared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

from sagemaker_emr import names
from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.features import MANIFEST, Inputs, expected_sources_by_date, is_current, window_dates
from sagemaker_emr.hooks.s3 import ArtifactsHook, split_uri

Versions = Mapping[str, str | None]
"""The version (manifest ETag) of each date; None where none is committed."""


@dataclass(frozen=True)
class Window:
    """Training days, and the evaluation days that follow them; all days included."""

    training_start: str
    training_end: str
    evaluation_start: str
    evaluation_end: str

    @classmethod
    def trained_until(cls, training_end: str, training_days: int, evaluation_days: int) -> Window:
        """The window of a last training day.

        :raises InvalidInput: it is no date, or a window of no days.
        """
        try:
            end = date.fromisoformat(training_end)
        except ValueError as error:
            raise InvalidInput(f"{training_end!r} is no date", reason=str(error)) from error
        if training_days < 1 or evaluation_days < 1:
            raise InvalidInput(
                f"{training_days} training and {evaluation_days} evaluation days can't be used"
            )
        day = timedelta(days=1)
        return cls(
            training_start=(end - (training_days - 1) * day).isoformat(),
            training_end=end.isoformat(),
            evaluation_start=(end + day).isoformat(),
            evaluation_end=(end + evaluation_days * day).isoformat(),
        )

    @classmethod
    def ending(cls, last_day: str, training_days: int, evaluation_days: int) -> Window:
        """The window whose last evaluation day is given.

        :raises InvalidInput: it is no date, or a window of no days.
        """
        try:
            training_end = date.fromisoformat(last_day) - timedelta(days=evaluation_days)
        except ValueError as error:
            raise InvalidInput(f"{last_day!r} is no date", reason=str(error)) from error
        return cls.trained_until(training_end.isoformat(), training_days, evaluation_days)

    @property
    def days(self) -> list[str]:
        return window_dates(self.training_start, self.evaluation_end)

    def __str__(self) -> str:
        return (
            f"training {self.training_start} to {self.training_end}, "
            f"evaluation {self.evaluation_start} to {self.evaluation_end}"
        )


def ready_versions(s3: ArtifactsHook, features_uri: str, dates: Iterable[str]) -> dict[str, str | None]:
    """The version of each date; None for one that is not committed."""
    root = features_uri.rstrip("/")
    return {day: s3.etag(f"{root}/date={day}/{MANIFEST}") for day in dates}


def missing(window: Window, versions: Versions) -> list[str]:
    """The window's days without a version."""
    return [day for day in window.days if versions.get(day) is None]


def outdated(
    s3: ArtifactsHook, features_uri: str, dates: Iterable[str], inputs: Sequence[Inputs], code_hash: str
) -> list[str]:
    """Those of the committed dates whose raw files, or the code, have changed since.

    A date whose own raw file is gone can't be prepared any more, and stays what it is.

    :param inputs: the first one's is a date's own.
    """
    found = []
    for day, sources in expected_sources_by_date(s3, inputs, list(dates)).items():
        there = inputs[0].uri.replace("{date}", day) in sources
        if there and not is_current(s3, features_uri, day, sources, code_hash):
            found.append(day)
    return found


def newest_complete(
    s3: ArtifactsHook, features_uri: str, since: str, training_days: int, evaluation_days: int
) -> tuple[Window, dict[str, str | None]] | None:
    """The latest window that ends on ``since`` or later and lacks no day, with its versions.

    Days are committed in any order, so the one that completes a window need not be its last.
    """
    versions: dict[str, str | None] = {}
    for last_day in sorted(_started_dates(s3, features_uri, since), reverse=True):
        window = Window.ending(last_day, training_days, evaluation_days)
        for day in window.days:
            if day not in versions:
                versions |= ready_versions(s3, features_uri, [day])
            if versions[day] is None:
                break
        else:
            return window, {day: versions[day] for day in window.days}
    return None


def _started_dates(s3: ArtifactsHook, features_uri: str, since: str) -> set[str]:
    """Dates from ``since`` on that hold anything, committed or not."""
    bucket, prefix = split_uri(f"{features_uri.rstrip('/')}/date=")
    pages = s3.conn.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, Delimiter="/", StartAfter=f"{prefix}{since}"
    )
    folders = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
    return {folder.removeprefix(prefix).rstrip("/") for folder in folders} | {since}


def take(s3: ArtifactsHook, bucket: str, window: Window, versions: Versions, run_id: str) -> str:
    """The run that trains a window on these versions: this one, unless another was first.

    One conditional put decides, so of the runs that many dates start at once only one trains.

    :param bucket: the artifacts bucket.
    """
    key = names.digest("window", asdict(window), dict(versions))
    uri = f"s3://{bucket}/windows/until={window.evaluation_end}/{key}.json"
    if s3.put_json_if_absent(uri, {"run_id": run_id, **asdict(window)}):
        return run_id
    found = s3.get_json(uri)
    return str(found[0]["run_id"]) if found else run_id
