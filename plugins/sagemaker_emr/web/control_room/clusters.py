"""An environment's clusters, in as many calls as there are pages of them, and none for a single one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sagemaker_emr.catalog_clusters import DAG_TAG, OWNER_TAG, PROJECT_TAG, RUN_TAG, launched_by, tags_of
from sagemaker_emr.hooks.emr import CLUSTER_STATES, ClusterState, lifetime_seconds
from sagemaker_emr.hooks.service_catalog import PRODUCT_STATES, ProductState
from sagemaker_emr.orphan_search import ENVIRONMENT_TAG, PRODUCT_TAG, PROVISIONED_PRODUCT_TAG
from sagemaker_emr.web.control_room.models import Cluster, Clusters, Health, RunLink, Spending
from sagemaker_emr.web.control_room.sources import Sources
from sagemaker_emr.web.control_room.spending import spending, usd_so_far

PAGE_ROWS = 25

NO_PRODUCT = "Its product is gone: terminate_orphaned_clusters ends it."


@dataclass(frozen=True)
class Found:
    """All of an environment's clusters, the oldest first."""

    rows: list[Cluster]
    spending: Spending


def read_clusters(aws: Sources, environment: str, product_id: str) -> Found:
    """The provisioned products of the environment's catalog and their clusters, the oldest first.

    Which cluster is whose is told by the tags that Service Catalog writes on it, so nothing is asked for by
    itself: a call for each hundred products, for each fifty clusters of the account that live, and for each
    hundred clusters that carry the environment's tag.
    """
    products = aws.catalog.products_of(product_id)
    living = {cluster["Id"]: cluster for cluster in aws.emr.living()}
    tagged = aws.tagging.tags_of(ENVIRONMENT_TAG, environment, "elasticmapreduce:cluster")
    tags = {arn.rpartition("/")[2]: found for arn, found in tagged.items()}
    by_product = {
        tags[cluster_id][PROVISIONED_PRODUCT_TAG]: cluster
        for cluster_id, cluster in living.items()
        if PROVISIONED_PRODUCT_TAG in tags.get(cluster_id, {})
    }
    by_name = {cluster["Name"]: cluster for cluster in living.values()}
    rows, known = [], set()
    for product in products:
        cluster = by_product.get(product["Arn"]) or by_name.get(product["Name"])
        known.add(cluster["Id"] if cluster else None)
        rows.append(_of_product(product, cluster))
    rows += [
        _alone(cluster, tags[cluster_id])
        for cluster_id, cluster in living.items()
        if cluster_id not in known
        and tags.get(cluster_id, {}).get(PRODUCT_TAG, "").endswith(f"/{product_id}")
    ]
    region = str(aws.emr.conn_region_name)
    for row in rows:
        if row.cluster_id:
            row.usd = usd_so_far(tags.get(row.cluster_id, {}), row.cluster_hours, region)
    rows.sort(key=lambda row: row.age_hours, reverse=True)
    return Found(rows, spending(rows, region))


def page(
    environment: str, known: Found | None, query: str = "", number: int = 1, page_rows: int = PAGE_ROWS
) -> Clusters:
    """Some of the clusters.

    :param known: None where they could never be read.
    :param query: what must stand in a cluster's name, id, state or owner.
    :param number: of the page, from 1; the last one where there are fewer.
    """
    rows = known.rows if known else []
    words = query.casefold().split()
    found = [row for row in rows if all(word in _text(row) for word in words)]
    pages = max(1, -(-len(found) // page_rows))
    number = min(max(1, number), pages)
    return Clusters(
        environment=environment,
        data=found[(number - 1) * page_rows : number * page_rows] if known else None,
        total=len(rows),
        matching=len(found),
        page=number,
        pages=pages,
        query=query,
        spending=known.spending if known else None,
    )


def _text(row: Cluster) -> str:
    parts = (row.name, row.cluster_id, row.cluster_state, row.product_status, row.owner)
    return " ".join(part for part in parts if part).casefold()


def _of_product(product: dict[str, Any], cluster: dict[str, Any] | None) -> Cluster:
    tags = tags_of(product)
    row = _row(product["Name"], tags, cluster)
    row.product_status = product["Status"]
    row.owner = _owner(tags) or launched_by(product, tags)
    if cluster is None:
        row.age_hours = _hours(datetime.now(UTC) - product["CreatedTime"])
        row.health = _product_health(product["Status"])
    return row


def _alone(cluster: dict[str, Any], tags: dict[str, str]) -> Cluster:
    row = _row(cluster["Name"], tags, cluster)
    row.owner = _owner(tags) or tags.get(OWNER_TAG) or "unknown"
    row.health = Health.BAD
    row.why_not = NO_PRODUCT
    return row


def _row(name: str, tags: dict[str, str], cluster: dict[str, Any] | None) -> Cluster:
    hours = lifetime_seconds(cluster) / 3600 if cluster else 0.0
    run = None
    if tags.get(DAG_TAG) and tags.get(RUN_TAG):
        run = RunLink(dag_id=tags[DAG_TAG], run_id=tags[RUN_TAG])
    return Cluster(
        name=name,
        product_status=None,
        cluster_id=cluster["Id"] if cluster else None,
        cluster_state=cluster["Status"]["State"] if cluster else None,
        health=_cluster_health(cluster),
        age_hours=round(hours, 3),
        cluster_hours=round(hours, 3),
        owner="",
        run=run,
    )


def _owner(tags: dict[str, str]) -> str | None:
    """Who launched it; a run is shown by its link, so here it is who started the run."""
    if tags.get(PROJECT_TAG):
        return f"SageMaker project {tags[PROJECT_TAG]}"
    return tags.get(OWNER_TAG)


def _cluster_health(cluster: dict[str, Any] | None) -> Health:
    if cluster is None:
        return Health.MISSING
    status = cluster["Status"]["State"]
    if status not in CLUSTER_STATES.states:
        return Health.BAD
    state = CLUSTER_STATES.of(status, cluster["Id"])
    return Health.GOOD if state is ClusterState.READY else Health.CHANGING


def _product_health(status: str) -> Health:
    """Of a product without a living cluster: it is coming, going, or left over."""
    if status not in PRODUCT_STATES.states:
        return Health.BAD
    changing = PRODUCT_STATES.of(status, "") is ProductState.CHANGING
    return Health.CHANGING if changing else Health.BAD


def _hours(span: timedelta) -> float:
    return round(span.total_seconds() / 3600, 3)
