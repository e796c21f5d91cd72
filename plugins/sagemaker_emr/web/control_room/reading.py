"""The page's parts as its routes need them: from the cache where AWS is concerned, else from Airflow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from sagemaker_emr.checks.finding import Verdict
from sagemaker_emr.checks.report import report_key
from sagemaker_emr.exceptions import InvalidInput, PlatformNotReady
from sagemaker_emr.web.control_room import clusters, coverage, platform, runs
from sagemaker_emr.web.control_room.cache import Answer, Cache
from sagemaker_emr.web.control_room.model_error import Evaluations
from sagemaker_emr.web.control_room.models import (
    Check,
    Clusters,
    ClusterState,
    Coverage,
    Environments,
    Fate,
    Mend,
    ModelError,
    PlatformView,
    RunLink,
    Section,
)
from sagemaker_emr.web.control_room.sources import sources

S = TypeVar("S", bound=Section[Any])

SLOW_SECONDS = 120.0
"""How long is kept what changes with a deployment, a run or a day: stacks, coverage, evaluations."""

CHECKS_LOOKED_AT = 3
"""The newest runs that may have left a report, of which the first that did is shown."""

cache = Cache()
_evaluations = Evaluations()


def environments() -> Section[Environments]:
    """The environments that have a stack."""
    answer = cache.get(
        ("environments",), lambda: Environments(names=platform.read_environments(sources())), SLOW_SECONDS
    )
    return _section(Section[Environments], answer)


def platform_view(session: Session, environment: str) -> PlatformView:
    """The stacks, the domain and the last check of an environment."""

    def read() -> Any:
        aws, stacks = sources(), _stacks(environment)
        return platform.read_platform(aws, environment, stacks)

    view = _section(PlatformView, cache.get(("platform", environment), read))
    checks = runs.last_checks(session, environment, CHECKS_LOOKED_AT)
    key = ("check", environment, *(check.run_id for check in checks))
    found = cache.get(key, lambda: _last_check(environment, checks), SLOW_SECONDS)
    view.check = found.value
    view.trouble = view.trouble or found.trouble
    return view


def clusters_page(session: Session, environment: str, query: str, number: int) -> Clusters:
    """Some of the clusters, with the runs that own and that end them."""
    answer = cache.get(("clusters", environment), lambda: _clusters(environment))
    page = clusters.page(environment, answer.value, query, number)
    page.read_at, page.trouble = answer.read_at, answer.trouble
    if page.data is not None:
        page.data = [one.model_copy(deep=True) for one in page.data]
    ending = runs.terminations(session, environment)
    for cluster in page.data or []:
        cluster.termination = ending.get(cluster.name)
    runs.link_owners(session, page.data or [])
    return page


def cluster_state(session: Session, environment: str, name: str) -> ClusterState:
    """What is known just now of one product: asked of Service Catalog, not of the cache.

    :raises PlatformNotReady: the environment has no catalog.
    :raises InvalidInput: the product is of another catalog.
    """
    ending = runs.terminations(session, environment).get(name)
    product = sources().catalog.find_provisioned_product(name)
    cache.forget(("clusters", environment))
    if product is None:
        return ClusterState(name=name, fate=Fate.GONE, run=ending)
    if product["ProductId"] != _product_id(environment):
        raise InvalidInput(f"{name} is no cluster of environment {environment}")
    return ClusterState(name=name, fate=Fate.TERMINATING if ending else Fate.ALIVE, run=ending)


def coverage_view(environment: str, year: int | None) -> Section[Coverage]:
    """A year's calendar; the newest year with anything where none is given."""

    def read() -> Coverage:
        aws, found = sources(), platform.outputs(_stacks(environment))
        buckets = _needed(environment, found, "FeaturesBucket"), _needed(environment, found, "RawBucket")
        years = coverage.read_years(aws, *buckets)
        shown = year or (years[-1] if years else datetime.now(UTC).year)
        return coverage.read_coverage(aws, environment, *buckets, years, shown)

    return _section(Section[Coverage], cache.get(("coverage", environment, str(year)), read, SLOW_SECONDS))


def model_error_view(environment: str) -> Section[ModelError]:
    """How well the models predicted."""

    def read() -> ModelError:
        bucket = _needed(environment, platform.outputs(_stacks(environment)), "ArtifactsBucket")
        return _evaluations.read(sources(), environment, bucket)

    return _section(Section[ModelError], cache.get(("model-error", environment), read, SLOW_SECONDS))


def _clusters(environment: str) -> clusters.Found:
    return clusters.read_clusters(sources(), environment, _product_id(environment))


def _product_id(environment: str) -> str:
    return _needed(environment, platform.outputs(_stacks(environment)), "ProductId")


def _stacks(environment: str) -> dict[str, dict[str, Any]]:
    """The stacks, read once for all parts of a page.

    :raises Exception: whatever kept them from being read, where that is so now.
    """
    answer = cache.get(("stacks", environment), lambda: platform.read_stacks(sources(), environment))
    if answer.trouble:
        raise PlatformNotReady(
            answer.trouble.what, reason=answer.trouble.reason, next_step=answer.trouble.next_step
        )
    return answer.value or {}


def _needed(environment: str, outputs: dict[str, str], name: str) -> str:
    if name not in outputs:
        raise PlatformNotReady(
            f"Environment {environment} is not deployed",
            reason=f"none of its stacks has the output {name}",
            next_step=f"Trigger deploy_platform for {environment}.",
        )
    return outputs[name]


def _last_check(environment: str, checks: list[RunLink]) -> Check | None:
    """The newest report: a call for each run that is looked at."""
    bucket = platform.outputs(_stacks(environment)).get("ArtifactsBucket")
    for check in checks if bucket else []:
        key = report_key(environment, check.dag_id, check.run_id, "json")
        found = sources().s3.get_json(f"s3://{bucket}/{key}")
        if found:
            return _check_of(found[0], check)
    return None


def _check_of(report: dict[str, Any], run: RunLink) -> Check:
    failed = [one for one in report["findings"] if one["verdict"] == Verdict.FAILED.value]
    return Check(
        made_at=report["made_at"],
        counts=report["counts"],
        to_mend=[
            Mend(check=one["title"], resources=one["resources"], fix=one["fix"])
            for one in failed
            if not one["follows_from"]
        ],
        run=run,
    )


def _section(kind: type[S], answer: Answer[Any]) -> S:
    return kind(data=answer.value, read_at=answer.read_at, trouble=answer.trouble)
