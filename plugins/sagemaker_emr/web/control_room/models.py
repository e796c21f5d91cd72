"""What the control room's routes answer. No credential and no presigned URL is a field of any of them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel

T = TypeVar("T")


class Trouble(BaseModel):
    """Why something could not be read.

    :param reason: AWS's own words.
    """

    what: str
    reason: str | None = None
    next_step: str | None = None


class Section(BaseModel, Generic[T]):
    """One part of the page.

    :param read_at: when AWS told it; None where it never did.
    :param trouble: why what is shown is old, or missing.
    """

    data: T | None = None
    read_at: datetime | None = None
    trouble: Trouble | None = None


class Health(StrEnum):
    """How something is, for the eye."""

    GOOD = "good"
    CHANGING = "changing"
    BAD = "bad"
    MISSING = "missing"


class Stack(BaseModel):
    """One of an environment's stacks."""

    concern: str
    name: str
    status: str | None
    health: Health
    changed_at: datetime | None = None


class Domain(BaseModel):
    """The Studio domain.

    :param network: ``AppNetworkAccessType``: whether its apps reach the internet past the VPC.
    """

    domain_id: str
    name: str
    status: str
    health: Health
    auth_mode: str | None = None
    network: str | None = None


class Profile(BaseModel):
    """A user profile of the domain."""

    name: str
    status: str
    health: Health


class Mend(BaseModel):
    """A finding of the last check that failed by itself."""

    check: str
    resources: list[str]
    fix: str | None


class Check(BaseModel):
    """The last report of check_platform or deploy_platform.

    :param counts: findings by verdict.
    """

    made_at: datetime
    counts: dict[str, int]
    to_mend: list[Mend]
    run: RunLink


class RunLink(BaseModel):
    """A DAG run.

    :param path: of its page in Airflow, below Airflow's root; None where this Airflow does not know it.
    """

    dag_id: str
    run_id: str
    state: str | None = None
    path: str | None = None


class Platform(BaseModel):
    """An environment's platform, as CloudFormation and SageMaker tell it."""

    environment: str
    stacks: list[Stack]
    domain: Domain | None = None
    profiles: list[Profile] = []

    @property
    def exists(self) -> bool:
        """Whether there is any stack."""
        return any(stack.status for stack in self.stacks)


class PlatformView(Section[Platform]):
    """The platform, and its last check."""

    check: Check | None = None


class Cluster(BaseModel):
    """A provisioned product of the catalog with its cluster, or a cluster whose product is gone.

    :param name: the product's; of a cluster without one, the cluster's own.
    :param age_hours: since EMR created the cluster; of a product without one, since it was requested.
    :param cluster_hours: what was paid for so far.
    :param usd: an estimate of the same in USD, where instances and prices are known.
    :param owner: who launched it: a run, a SageMaker project, or a principal.
    """

    name: str
    product_status: str | None
    cluster_id: str | None
    cluster_state: str | None
    health: Health
    age_hours: float
    cluster_hours: float
    usd: float | None = None
    owner: str
    run: RunLink | None = None
    termination: RunLink | None = None
    why_not: str | None = None


class Spending(BaseModel):
    """What all of an environment's living clusters have cost so far: an estimate.

    :param prices_of: the day of the price table; None where the Region has none.
    :param without_price: clusters that are not in the sum.
    """

    region: str
    prices_of: str | None
    usd: float
    without_price: int


class Clusters(Section[list[Cluster]]):
    """A page of an environment's clusters, the oldest first.

    :param spending: of all of them, not of this page.
    :param may_not: why the reader may terminate none of them; None where they may.
    """

    environment: str
    total: int = 0
    matching: int = 0
    page: int = 1
    pages: int = 1
    query: str = ""
    spending: Spending | None = None
    may_not: str | None = None


class Fate(StrEnum):
    """What may come of asking for a cluster's termination now."""

    ALIVE = "alive"
    TERMINATING = "terminating"
    GONE = "gone"


class ClusterState(BaseModel):
    """What is known just now of one provisioned product, not from the cache."""

    name: str
    fate: Fate
    run: RunLink | None = None


class Stage(BaseModel):
    """A part of a run, from its first task's start to its last one's end; None while it did not begin."""

    name: str
    seconds: float | None = None
    running: bool = False
    failed: bool = False
    offset_seconds: float | None = None


class Run(BaseModel):
    """A run of train_and_deploy_model."""

    run: RunLink
    started_at: datetime | None
    seconds: float | None
    note: str | None = None
    stages: list[Stage]


class Runs(BaseModel):
    """The newest runs of an environment, the newest first."""

    environment: str
    runs: list[Run]


class DayState(StrEnum):
    """What there is of one day."""

    PREPARED = "prepared"
    QUARANTINED = "quarantined"
    MISSING = "missing"
    NO_RAW_DATA = "no raw data"


class Day(BaseModel):
    """One day of the calendar."""

    date: date
    state: DayState


class Stretch(BaseModel):
    """Consecutive days of one state."""

    first: date
    last: date
    days: int


class Coverage(BaseModel):
    """A year's days, as the manifests in S3 tell them.

    :param years: those in which there is anything.
    """

    environment: str
    year: int
    years: list[int]
    days: list[Day]
    counts: dict[DayState, int]
    missing: list[Stretch]
    quarantined: list[Stretch]


class Evaluation(BaseModel):
    """A trained model, as it was judged.

    :param beats: whether it beat every baseline.
    """

    job_name: str
    judged_at: datetime
    last_day: date
    trained_until: date
    rmse: float
    baseline_rmse: float
    beats: bool


class ModelError(BaseModel):
    """The newest evaluations of an environment, by their last evaluation day."""

    environment: str
    evaluations: list[Evaluation]
    total: int


class Environments(BaseModel):
    """The environments that have a stack."""

    names: list[str]


Check.model_rebuild()
