"""The feature partitions as an Airflow asset: announced by whoever committed one, awaited by the training.

There is one asset for all environments, since an asset's name is fixed when its DAG is parsed; the
environment is a part of each event's partition key, ``dev|2013-02-14``, in the form that Airflow's own
``ProductMapper`` splits. See docs/adr/0012. Before Airflow 3.2 events have no key, and what they tell beside
it takes its place: docs/adr/0025.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from airflow.sdk import Asset

from sagemaker_emr import airflow_versions
from sagemaker_emr.exceptions import InvalidInput

FEATURE_PARTITIONS = Asset(name="flight_features", uri="x-sagemaker-emr://features/flights")

_BY_KEY = "{{ (dag_run.partition_key or params.environment).split('|')[0] }}"
_BY_EVENTS = (
    "{{ triggering_asset_events.values() | sum(start=[]) | map(attribute='extra.environment')"
    " | select('defined') | list | last | default(params.environment) }}"
)
RUN_ENVIRONMENT = _BY_KEY if airflow_versions.ASSETS_HAVE_PARTITIONS else _BY_EVENTS
"""The environment of a run, for templates: its partition's, or the form's where the run has no partition."""

_DELIMITER = "|"


@dataclass(frozen=True)
class FeaturePartition:
    """One day's features of an environment: what an event announces, and what a run was started for."""

    environment: str
    date: str

    @property
    def key(self) -> str:
        return f"{self.environment}{_DELIMITER}{self.date}"

    @classmethod
    def of_key(cls, key: str) -> FeaturePartition:
        """The partition that a key stands for.

        :raises InvalidInput: it is not ``<environment>|<YYYY-MM-DD>``.
        """
        environment, _, day = key.partition(_DELIMITER)
        try:
            return cls(environment, date.fromisoformat(day).isoformat())
        except ValueError as error:
            raise InvalidInput(
                f"{key!r} is no partition key", reason=f"expected <environment>|YYYY-MM-DD: {error}"
            ) from error


def on_feature_partitions() -> Any:
    """The schedule that starts one run for each partition that is announced.

    Before Airflow 3.2 one for all that were announced meanwhile.
    """
    if not airflow_versions.ASSETS_HAVE_PARTITIONS:
        return FEATURE_PARTITIONS
    from airflow.sdk import IdentityMapper, PartitionedAssetTimetable, ProductMapper, StartOfDayMapper

    return PartitionedAssetTimetable(
        assets=FEATURE_PARTITIONS,
        default_partition_mapper=ProductMapper(
            IdentityMapper(), StartOfDayMapper(input_format="%Y-%m-%d", output_format="%Y-%m-%d")
        ),
    )


def emit(
    context: Mapping[str, Any], *, environment: str, date: str, manifest_uri: str, etag: str, rows: int
) -> None:
    """Announce a committed partition once this task has succeeded.

    The task needs ``outlets=[FEATURE_PARTITIONS]``. An event is kept in the worker's memory until the task
    ends, so a task that defers calls this after it resumed. A task with the outlet that ends successfully
    without a call of this announces no partition, and starts nothing.

    :param date: the partition's day, as ``YYYY-MM-DD``.
    :param etag: of the manifest: the partition's version.
    :raises InvalidInput: the date is none.
    """
    partition = FeaturePartition.of_key(FeaturePartition(environment, date).key)
    event = context["outlet_events"][FEATURE_PARTITIONS]
    event.extra = {
        "environment": partition.environment,
        "date": partition.date,
        "manifest_uri": manifest_uri,
        "etag": etag,
        "rows": rows,
    }
    if airflow_versions.ASSETS_HAVE_PARTITIONS:
        event.add_partitions(partition.key)


def triggering_partitions(context: Mapping[str, Any]) -> list[FeaturePartition]:
    """The partition that a run was started for, by an event or by hand; none where it has none.

    Before Airflow 3.2 all that were announced since the run before, the earliest first; of several
    environments that of :data:`RUN_ENVIRONMENT`, which the last announcement decides.

    :raises InvalidInput: the run's partition key is no such partition.
    """
    if airflow_versions.ASSETS_HAVE_PARTITIONS:
        key = context["dag_run"].partition_key
        return [FeaturePartition.of_key(key)] if key else []
    told = [event for event in triggering_events(context) if "environment" in event]
    dates = {event["date"] for event in told if event["environment"] == told[-1]["environment"]}
    return [FeaturePartition(told[-1]["environment"], day) for day in sorted(dates)]


def triggering_events(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a run's events announced (see :func:`emit`), oldest first; several where they came together."""
    events = context.get("triggering_asset_events")
    return [dict(event.extra) for event in events.get(FEATURE_PARTITIONS, [])] if events else []
