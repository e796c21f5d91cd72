"""One daily partition: which day a run is for, and whether there is anything to do for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.sdk import Context, Param

from sagemaker_emr import names
from sagemaker_emr.assets import emit
from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.features import MANIFEST, Inputs, expected_sources, is_current
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.operators.base import skip_with_reason

PARTITION: dict[str, Any] = {
    "date": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Date",
        description="The day to prepare, by hand. Scheduled runs and backfills take their logical date.",
        section="Partition",
    ),
    "when_raw_data_is_missing": Param(
        "skip",
        type="string",
        enum=["skip", "fail"],
        values_display={
            "skip": "skip: the run succeeds and says that there was nothing to prepare",
            "fail": "fail: the run fails",
        },
        title="When raw data is missing",
        description="No file for the day, or one without a flight.",
        section="Partition",
    ),
    "force": Param(
        False,
        type="boolean",
        title="Prepare again",
        description="Even though neither raw files nor code have changed.",
        section="Partition",
    ),
}
"""The form fields of a run that prepares one day."""


def partition_date(params: Mapping[str, Any], logical_date: datetime | None, now: datetime) -> str:
    """The day of a run: the form's, else that of its logical date, else yesterday; all in UTC.

    :raises InvalidInput: the day is not over.
    """
    if params.get("date"):
        day = date.fromisoformat(params["date"])
    elif logical_date is not None:
        day = logical_date.astimezone(UTC).date()
    else:
        day = now.date() - timedelta(days=1)
    if day >= now.date():
        raise InvalidInput(
            f"{day} can't be prepared",
            reason=f"it is {now:%Y-%m-%d %H:%M} UTC: that day is not over",
            next_step=f"Give a date up to {now.date() - timedelta(days=1)}.",
        )
    return str(day)


def find_work(
    context: Context, *, features_uri: str, inputs: Sequence[Inputs], code_hash: str
) -> dict[str, str]:
    """What a run has to prepare; where that is nothing, its tasks are skipped, with the reason.

    :param features_uri: ``s3://bucket/folder`` of the committed partitions.
    :param inputs: the raw files a day is made of; the first one's of the day itself must be there.
    :param code_hash: of the job.
    :return: ``date``, and ``batch_key``: the same for every run that would do the same work.
    :raises AirflowSkipException: the day is prepared already, or has no raw data.
    :raises InvalidInput: the day is not over, or has no raw data and the form says to fail.
    """
    params = context["params"]
    day = partition_date(params, context["dag_run"].logical_date, datetime.now(UTC))
    s3 = ArtifactsHook()
    sources = expected_sources(s3, inputs, day)
    required = inputs[0].uri.replace("{date}", day)
    if required not in sources:
        if params["when_raw_data_is_missing"] == "fail":
            raise InvalidInput(
                f"{day} can't be prepared",
                reason=f"{required} does not exist, or is empty",
                next_step="Deliver it, then clear this task.",
            )
        skip_with_reason(context, f"{day} has no raw data: {required} does not exist, or is empty")
    if params["force"]:
        # A run that was cleared as a whole, by a backfill too, is to do its work again; a retry is not.
        asked = context["run_id"], context["dag_run"].clear_number
        return {"date": day, "batch_key": names.digest(day, code_hash, sources, *asked)}
    if is_current(s3, features_uri, day, sources, code_hash):
        skip_with_reason(context, f"{day} is prepared already, from the same raw files by the same code")
    return {"date": day, "batch_key": names.digest(day, code_hash, sources)}


def announce_committed(context: Context, completion: Mapping[str, Any], features_uri: str) -> None:
    """Announce the day that a batch committed; skipped, with the reason, where it committed nothing.

    :param completion: the batch's completion manifest.
    :param features_uri: ``s3://bucket/folder`` of the committed partitions.
    """
    ((day, told),) = completion["dates"].items()
    if "skipped" in told:
        skip_with_reason(context, f"{day} was skipped: {told['skipped']}")
    uri = f"{features_uri}/date={day}/{MANIFEST}"
    found = ArtifactsHook().get_json(uri)
    if found is None:
        raise InvalidInput(f"{uri} vanished after it was committed", next_step="Clear check_partition.")
    emit(
        context,
        environment=context["params"]["environment"],
        date=day,
        manifest_uri=uri,
        etag=found[1].strip('"'),
        rows=int(told["rows"]),
    )
