"""What costs nothing or little by itself and piles up: endpoint configurations, models, multipart uploads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr import names
from sagemaker_emr.catalog_clusters import DAG_TAG, OWNER_TAG, RUN_TAG
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.sagemaker import ENDPOINT_STATES, EndpointState, SageMakerHook, is_missing
from sagemaker_emr.orphan_search import ENVIRONMENT_TAG, Environment, age_hours, run_owner
from sagemaker_emr.orphans import (
    CONFIG,
    ENDED,
    MODEL,
    UPLOAD,
    Decided,
    Decision,
    Limits,
    Row,
    Served,
    decide_served,
    decide_upload,
)

SETTLED = ENDPOINT_STATES.where(
    lambda state: state in (EndpointState.SERVING, EndpointState.DEAD, EndpointState.OUT)
)
"""The states of an endpoint that will not go back to a configuration that it does not name any more."""

Found = dict[str, Any]


class LeftoverSearch:
    """Reads and decides; what is to end is ended by :meth:`end`.

    :param connection: keyword arguments for an AWS hook.
    """

    def __init__(self, environment: Environment, limits: Limits, connection: dict[str, Any]) -> None:
        self.environment = environment
        self.limits = limits
        self._sagemaker = SageMakerHook(**connection)
        self._s3 = ArtifactsHook(**connection)

    def rows(self) -> list[Row]:
        """A decision on each, in the order in which they can end: configurations before their models."""
        endpoints = self._endpoints()
        configs = self._configs()
        config_rows = self._config_rows(endpoints, configs)
        return [*config_rows, *self._model_rows(configs, config_rows), *self._upload_rows()]

    def end(self, row: Row) -> str:
        """End one; what came of it. What is gone meanwhile has ended.

        A configuration is looked at once more: a deployment takes an old one again where it is the same.

        :raises ClientError: AWS refuses.
        """
        try:
            if row.kind == CONFIG and row.resource in _used_by(self._endpoints()):
                return "kept: an endpoint uses it now"
            self._delete(row)
        except ClientError as error:
            if not (is_missing(error) or error.response["Error"]["Code"] == "NoSuchUpload"):
                raise
        return ENDED

    def _delete(self, row: Row) -> None:
        if row.kind == UPLOAD:
            bucket, upload_id = row.where.split(" ")
            self._s3.conn.abort_multipart_upload(Bucket=bucket, Key=row.resource, UploadId=upload_id)
        elif row.kind == MODEL:
            self._sagemaker.conn.delete_model(ModelName=row.resource)
        else:
            self._sagemaker.conn.delete_endpoint_config(EndpointConfigName=row.resource)

    def _list(self, operation: str, member: str, **filters: Any) -> Iterable[Found]:
        for page in self._sagemaker.conn.get_paginator(operation).paginate(**filters):
            yield from page.get(member, [])

    def _endpoints(self) -> list[Found]:
        """Every endpoint of the account: one that is not ours may serve what is."""
        listed = [one["EndpointName"] for one in self._list("list_endpoints", "Endpoints")]
        found = [self._sagemaker.find_endpoint(name) for name in listed]
        return [one for one in found if one is not None]

    def _configs(self) -> list[Found]:
        """Every endpoint configuration of the account: one that is not ours may name a model that is."""
        listed = [one["EndpointConfigName"] for one in self._list("list_endpoint_configs", "EndpointConfigs")]
        found = [self._sagemaker.find("describe_endpoint_config", EndpointConfigName=name) for name in listed]
        return [one for one in found if one is not None]

    def _config_rows(self, endpoints: list[Found], configs: list[Found]) -> list[Row]:
        used = _used_by(endpoints)
        changing = [one["EndpointName"] for one in endpoints if one["EndpointStatus"] not in SETTLED]
        ours = [one for one in configs if one["EndpointConfigName"].startswith(self._prefix)]
        rows = []
        for config, newer in _ranked(ours, "EndpointConfigName"):
            name = config["EndpointConfigName"]
            by = used.get(name) or _going_back(name, changing)
            arn = config["EndpointConfigArn"]
            rows.append(self._row(CONFIG, name, arn, config, by, newer))
        return rows

    def _model_rows(self, configs: list[Found], config_rows: list[Row]) -> list[Row]:
        ended = {row.resource for row in config_rows if row.decision == Decision.END}
        used = {
            variant["ModelName"]: f"endpoint configuration {config['EndpointConfigName']}"
            for config in configs
            if config["EndpointConfigName"] not in ended
            for variant in [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]
            if "ModelName" in variant
        }
        models = list(self._list("list_models", "Models", NameContains=self._prefix))
        ours = [one for one in models if one["ModelName"].startswith(self._prefix)]
        return [
            self._row(MODEL, one["ModelName"], one["ModelArn"], one, used.get(one["ModelName"], ""), newer)
            for one, newer in _ranked(ours, "ModelName")
        ]

    def _row(self, kind: str, name: str, arn: str, found: Found, used_by: str, newer: int) -> Row:
        tags = self._tags(arn)
        foreign = None
        if tags.get(ENVIRONMENT_TAG) != self.environment.name:
            foreign = f"it is named like ours, but lacks the tag of environment {self.environment.name}"
        run = run_owner(tags[DAG_TAG], tags.get(RUN_TAG, "")) if DAG_TAG in tags else ""
        seen = Served(
            name=name,
            owner=run or tags.get(OWNER_TAG, "unknown"),
            age_hours=age_hours(found["CreationTime"]),
            used_by=used_by,
            newer=newer,
            foreign=foreign,
        )
        what = f"used by {used_by}" if used_by else "unused"
        return _decided(decide_served(seen, self.limits), name, kind, what, seen.owner, seen.age_hours)

    def _upload_rows(self) -> list[Row]:
        rows = []
        for bucket in self.environment.buckets:
            for page in self._s3.conn.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
                for one in page.get("Uploads", []):
                    age, owner = age_hours(one["Initiated"]), one.get("Initiator", {}).get("ID", "unknown")
                    what, where = f"begun in {bucket}", f"{bucket} {one['UploadId']}"
                    decided = decide_upload(age, self.limits)
                    rows.append(_decided(decided, one["Key"], UPLOAD, what, owner, age, where))
        return rows

    def _tags(self, arn: str) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self._list("list_tags", "Tags", ResourceArn=arn)}

    @property
    def _prefix(self) -> str:
        return f"sagemaker-emr-{self.environment.name}-"


def _decided(
    decided: Decided, name: str, kind: str, what: str, owner: str, age: float, where: str = ""
) -> Row:
    decision, why = decided
    return Row(name, kind, what, owner, age, str(decision), why, where)


def _ranked(found: list[Found], key: str) -> list[tuple[Found, int]]:
    """Each with the number of newer ones of its endpoint, which the name begins with; the newest first."""
    families: dict[str, list[Found]] = defaultdict(list)
    for one in sorted(found, key=lambda each: each["CreationTime"], reverse=True):
        parts = names.split(one[key])
        families[parts[0] if parts else one[key]].append(one)
    return [(one, rank) for family in families.values() for rank, one in enumerate(family)]


def _used_by(endpoints: list[Found]) -> dict[str, str]:
    """The configurations that endpoints serve or are about to, each with its endpoint."""
    used = {one["EndpointConfigName"]: f"endpoint {one['EndpointName']}" for one in endpoints}
    for one in endpoints:
        if pending := one.get("PendingDeploymentSummary"):
            used[pending["EndpointConfigName"]] = f"endpoint {one['EndpointName']}"
    return used


def _going_back(config: str, changing: list[str]) -> str:
    """An endpoint that changes may go back to what it served before, which it does not name while it does."""
    parts = names.split(config)
    for endpoint in changing:
        if parts is None or endpoint.startswith(parts[0]) or parts[0].startswith(endpoint):
            return f"endpoint {endpoint}, which is changing and may go back to it"
    return ""
