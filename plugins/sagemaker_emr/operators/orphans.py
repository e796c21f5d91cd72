"""Ending what no run needs any more: found, looked at once more, ended one by one, and told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr.airflow_runs import AirflowRuns
from sagemaker_emr.exceptions import OrphansRemain, SageMakerEmrError
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.sagemaker import SageMakerHook
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.leases import Lease, LeaseStore
from sagemaker_emr.notifications import ORPHAN_FOUND, tell
from sagemaker_emr.operators.base import skip_with_reason
from sagemaker_emr.operators.catalog_clusters import ServiceCatalogTerminateClusterOperator
from sagemaker_emr.orphan_environments import environments, unnamed
from sagemaker_emr.orphan_leftovers import LeftoverSearch
from sagemaker_emr.orphan_report import FAILURE, ROWS, log_table
from sagemaker_emr.orphan_search import Environment, LaunchSearch, StoredLease
from sagemaker_emr.orphans import (
    CLUSTER,
    ENDED,
    LEASE,
    PRODUCT,
    Decision,
    Launched,
    Limits,
    Row,
    RunState,
    SharedLease,
    decide_launched,
    decide_lease,
)
from sagemaker_emr.triggers.emr import EmrClusterTerminatedTrigger

Number = float | str


class FindOrphanedClustersOperator(AwsBaseOperator[ServiceCatalogHook]):
    """Decides on every product, cluster and lease of some environments; it changes nothing.

    The decisions go to the log, and to the XCom ``rows`` for the report.

    :param also: more environments, with commas between them. No other is looked at: ids of runs are the
        same in every Airflow with the same schedule, so what one says of a run holds in its own alone.
    :param max_age_hours: the most that any cluster may be, whoever owns it.
    :param only_deployment: no other Airflow uses the environment, so a run that is not known here is none.
    :param dry_run: end nothing.
    :return: a row for each thing to end; none in a dry run.
    """

    aws_hook_class = ServiceCatalogHook
    template_fields: Sequence[str] = aws_template_fields(
        "environment", "also", "max_age_hours", "only_deployment", "dry_run"
    )

    def __init__(
        self,
        *,
        environment: str,
        max_age_hours: Number,
        also: str = "",
        only_deployment: bool | str = False,
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.environment = environment
        self.also = also
        self.max_age_hours = max_age_hours
        self.only_deployment = only_deployment
        self.dry_run = dry_run

    def execute(self, context: Context) -> list[dict[str, Any]]:
        ours = environments_or_skip(context, self.environment, self.also, self._hook_parameters)
        if others := unnamed(ours, self._hook_parameters):
            self.log.info("Not looked after here, since the form does not name them: %s", ", ".join(others))
        rows: dict[tuple[str, str, str], Row] = {}
        for environment in ours:
            for row in self._decide(context, environment):
                # A product is one for all, and not ours for each environment but its own.
                key = row.kind, row.resource, row.environment if row.kind == LEASE else ""
                if row.decision != Decision.NOT_OURS or key not in rows:
                    rows[key] = row
        found = [row.to_dict() for row in rows.values()]
        context["ti"].xcom_push(key=ROWS, value=found)
        self.log.info("%s", log_table(found))
        to_end = [row for row in found if row["decision"] == Decision.END]
        if to_end:
            tell(ORPHAN_FOUND, log_table(to_end), context)
        return [] if is_true(self.dry_run) else to_end

    def _decide(self, context: Context, environment: Environment) -> list[Row]:
        search = LaunchSearch(environment, AirflowRuns(context["ti"]), self._hook_parameters)
        limits = Limits(float(self.max_age_hours), is_true(self.only_deployment))
        seen = search.launched()
        rows = [launched_row(one, limits) for one in seen]
        rows += [lease_row(one) for one in search.shared(seen, search.leases())]
        return [replace(row, environment=environment.name) for row in rows]


class EndOrphanOperator(ServiceCatalogTerminateClusterOperator):
    """Ends one orphan, unless a second look finds that somebody needs it now, and proves that it is gone.

    A product is ended as :class:`ServiceCatalogTerminateClusterOperator` does. The lease of a shared cluster
    is closed first, by a conditional write: whoever joined meanwhile keeps the cluster.

    :param orphan: a row that :class:`FindOrphanedClustersOperator` returned.
    :return: ``resource``, ``kind`` and ``outcome``.
    """

    template_fields: Sequence[str] = aws_template_fields(
        "environment", "orphan", "max_age_hours", "only_deployment"
    )

    def __init__(
        self,
        *,
        environment: str,
        orphan: dict[str, Any],
        max_age_hours: Number,
        only_deployment: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(product_id="", provisioned_product="", **kwargs)
        self.environment = environment
        self.orphan = orphan
        self.max_age_hours = max_age_hours
        self.only_deployment = only_deployment

    def execute(self, context: Context) -> Any:
        return self._noting_failure(context, lambda: self._look_again(context))

    def execute_complete(
        self, context: Context, event: dict[str, Any], carry: dict[str, Any] | None = None
    ) -> Any:
        resume = super().execute_complete
        return self._noting_failure(context, lambda: resume(context, event, carry))

    def complete(self, context: Context, result: dict[str, Any]) -> Any:
        return self._told(super().complete(context, result))

    def _noting_failure(self, context: Context, work: Callable[[], Any]) -> Any:
        """Leave the reason for the report, which names all that could not be ended."""
        self.provisioned_product = self.orphan["resource"]
        try:
            return self._told(work())
        except (BotoCoreError, ClientError, SageMakerEmrError) as error:
            context["ti"].xcom_push(key=FAILURE, value={**self._same, "outcome": str(error)})
            raise

    def _told(self, result: dict[str, Any]) -> dict[str, Any]:
        return result if "outcome" in result else {**self._same, **result, "outcome": ENDED}

    @property
    def _same(self) -> dict[str, str]:
        """What the report knows the orphan by."""
        return {key: self.orphan[key] for key in ("resource", "kind", "environment") if key in self.orphan}

    @property
    def _its_environment(self) -> str:
        return self.orphan.get("environment") or self.environment

    def _look_again(self, context: Context) -> Any:
        environment = environment_or_skip(context, self._its_environment, self._hook_parameters)
        self.product_id = environment.product_id
        search = LaunchSearch(environment, AirflowRuns(context["ti"]), self._hook_parameters)
        leases = search.leases()
        if self.orphan["kind"] == LEASE:
            return self._end_lease(search, leases)
        found = search.launched(only=self.orphan["resource"])
        limits = Limits(float(self.max_age_hours), is_true(self.only_deployment))
        for one in found:
            row = launched_row(one, limits)
            if row.decision != Decision.END:
                return self._kept(row.why)
            held = search.lease_of(one.owner, leases)
            too_old = one.age_hours > limits.max_age_hours
            if held and one.run is not RunState.LIVE and not self._close(search, held, row.why, too_old):
                return self._kept("a run has joined its lease")
        if self.orphan["kind"] == CLUSTER:
            return self.wait_for(context, self._cluster_ended())
        return self._end(context, project_deleted=False)

    def _end(self, context: Context, project_deleted: bool) -> Any:
        if not self.product_id:  # resumed in another process
            found = Environment.find(self._its_environment, self._hook_parameters)
            self.product_id = found.product_id if found else ""
        return super()._end(context, project_deleted)

    def _cluster_ended(self) -> EmrClusterTerminatedTrigger:
        return EmrClusterTerminatedTrigger(
            cluster_id=self.orphan["resource"], terminate=True, **self.trigger_parameters
        )

    def _end_lease(self, search: LaunchSearch, leases: list[StoredLease]) -> Any:
        seen = search.launched()
        for stored, shared in zip(leases, search.shared(seen, leases), strict=True):
            if shared.name == self.orphan["resource"]:
                row = lease_row(shared)
                if row.decision != Decision.END:
                    return self._kept(row.why)
                self._close(search, stored, row.why, whoever_holds_it=True)
        return {}

    def _close(self, search: LaunchSearch, held: StoredLease, why: str, whoever_holds_it: bool) -> bool:
        """Close a lease's generation in the place of its provider, which is dead; whether it is closed.

        :param whoever_holds_it: else it stays open where a run that goes on has joined it.
        """
        environment, generation = search.environment, held.lease.generation
        living = search.living_holders(held)
        silent = {key: one.renewals for key, one in held.lease.holders.items() if key not in living}
        reason = f"terminate_orphaned_clusters: {why}"

        def close(lease: Lease) -> Lease:
            if whoever_holds_it or not lease.is_open(generation):
                return lease.close(generation, reason)
            return lease.give_up(silent).close_if_unused(generation, reason)

        store = LeaseStore(
            ArtifactsHook(**self._hook_parameters), environment.bucket, environment.name, held.lease.name
        )
        return not store.change(close).is_open(generation)

    def _kept(self, why: str) -> dict[str, Any]:
        self.log.info("Kept after a second look: %s", why)
        return {**self._same, "outcome": f"kept after a second look: {why}"}


class EndLeftoversOperator(AwsBaseOperator[SageMakerHook]):
    """Ends endpoint configurations and models that serve nowhere, and abandoned multipart uploads.

    One that can't be ended does not keep it from the others; then the task fails, naming each.

    :param also: more environments, with commas between them.
    :param leftover_hours: how old an unused configuration or model must be.
    :param keep_newest: how many of each endpoint stay in any case.
    :param upload_hours: how old an upload must be.
    :param dry_run: end nothing.
    :return: how many there are of each decision.
    :raises OrphansRemain: naming what could not be ended.
    """

    aws_hook_class = SageMakerHook
    template_fields: Sequence[str] = aws_template_fields(
        "environment", "also", "leftover_hours", "keep_newest", "upload_hours", "dry_run"
    )

    def __init__(
        self,
        *,
        environment: str,
        leftover_hours: Number,
        keep_newest: int | str,
        upload_hours: Number,
        also: str = "",
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.environment = environment
        self.also = also
        self.leftover_hours = leftover_hours
        self.keep_newest = keep_newest
        self.upload_hours = upload_hours
        self.dry_run = dry_run

    def execute(self, context: Context) -> dict[str, int]:
        ours = environments_or_skip(context, self.environment, self.also, self._hook_parameters)
        limits = Limits(
            max_age_hours=0,
            leftover_hours=float(self.leftover_hours),
            keep_newest=int(self.keep_newest),
            upload_hours=float(self.upload_hours),
        )
        rows: list[dict[str, Any]] = []
        failed: list[str] = []
        for environment in ours:
            search = LeftoverSearch(environment, limits, self._hook_parameters)
            own = [replace(row, environment=environment.name).to_dict() for row in search.rows()]
            failed += [] if is_true(self.dry_run) else self._end(search, own)
            rows += own
        context["ti"].xcom_push(key=ROWS, value=rows)
        self.log.info("%s", log_table(rows))
        if failed:
            raise OrphansRemain(
                f"{len(failed)} leftovers of environment {self.environment} could not be ended",
                reason="\n".join(failed),
                next_step="Remove the causes; the next run tries again.",
            )
        return {each.value: sum(row["decision"] == each for row in rows) for each in Decision}

    def _end(self, search: LeftoverSearch, rows: list[dict[str, Any]]) -> list[str]:
        """End what is to end, and write what came of it into the rows; a line for each failure."""
        failed = []
        for row in rows:
            if row["decision"] != Decision.END:
                continue
            try:
                row["outcome"] = search.end(Row(**row))
            except (BotoCoreError, ClientError) as error:
                row["outcome"] = str(error)
                failed.append(f"{row['kind']} {row['resource']}: {error}")
        return failed


def environment_or_skip(context: Context, name: str, connection: dict[str, Any]) -> Environment:
    """The environment; without a catalog there is nothing to look after."""
    return environments_or_skip(context, name, "", connection)[0]


def environments_or_skip(
    context: Context, name: str, also: str, connection: dict[str, Any]
) -> list[Environment]:
    """As :func:`environment_or_skip`, of several; at least one."""
    found = environments(name, also, connection)
    if not found:
        all_names = ", ".join(filter(None, [name, *also.split(",")]))
        skip_with_reason(context, f"Environment {all_names} has no catalog: nothing was launched from it.")
    return found


def launched_row(seen: Launched, limits: Limits) -> Row:
    """The decision on a product or a cluster."""
    decision, why = decide_launched(seen, limits)
    kind = PRODUCT if seen.product_status is not None else CLUSTER
    return Row(seen.name, kind, seen.what, seen.owner, seen.age_hours, str(decision), why)


def lease_row(seen: SharedLease) -> Row:
    """The decision on a lease."""
    decision, why = decide_lease(seen)
    what = "closed" if seen.closed is not None else "open"
    return Row(seen.name, LEASE, what, seen.owner, seen.age_hours, str(decision), why)


def is_true(value: bool | str) -> bool:
    """A form's switch, as a template renders it."""
    return str(value).strip().lower() == "true"
