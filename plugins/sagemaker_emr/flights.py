"""The sample: flights of 2013. What its DAGs share: the Spark job, and the raw files a day is made of."""

from __future__ import annotations

from sagemaker_emr.features import Inputs
from sagemaker_emr.staging import content_hash, include_path

HISTORY_DAYS = 28
"""How many days before its own a day's features look back on."""

SPARK_MODULES = ("prepare_features", "flight_features", "partitions", "quality", "raw_tables")
"""The job's files below ``include/spark``, the one that is submitted first."""

FINAL_ERRORS = ("RawDataError", "DataQualityFailed")
"""What the job raises when its raw files, or what it made of them, can't be used."""


_HASH_CHARACTERS = 12


def code_hash(staged_by: str) -> str:
    """A template of the job's version, as the manifests carry it: the hashes of its files.

    :param staged_by: id of the task that stages :data:`SPARK_MODULES` under their names.
    """
    return "-".join(
        f"{{{{ ti.xcom_pull('{staged_by}', key='{module}_sha256')[:{_HASH_CHARACTERS}] }}}}"
        for module in SPARK_MODULES
    )


def current_code_hash() -> str:
    """What :func:`code_hash` comes to once the files are staged, for tasks before that."""
    files = [include_path(f"spark/{module}.py") for module in SPARK_MODULES]
    return "-".join(content_hash(file.read_bytes())[:_HASH_CHARACTERS] for file in files)


def inputs(raw: str) -> list[Inputs]:
    """The raw files of a day, the one it can't do without first.

    :param raw: ``s3://bucket`` of the raw partitions.
    """
    return [
        Inputs(f"{raw}/flights/date={{date}}/flights.csv.gz", days_before=HISTORY_DAYS),
        Inputs(f"{raw}/weather/date={{date}}/weather.csv.gz", days_before=1),
        Inputs(f"{raw}/planes/planes.csv.gz"),
    ]
