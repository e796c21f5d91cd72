"""Claims: who intends to own the one cluster of a run, written down before anything is created.

A claim is a small document at ``s3://<bucket>/claims/<environment>/<digest>.json``. It carries the
generation, hence the product's name, so that a retry, a cleared run and a teardown all find the same
product without XCom. Generations that were given up stay in it: the teardown proves the end of each. Every
write is conditional: of two writers one is told that it lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from airflow.sdk import Context

from sagemaker_emr import names
from sagemaker_emr.exceptions import ResourceConflict
from sagemaker_emr.hooks.s3 import ArtifactsHook
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook

State = Literal["claimed", "requesting", "requested", "ended"]
"""``claimed``: intent only. ``requesting``: ProvisionProduct may have been sent. ``requested``: it was
answered. ``ended``: proven terminated."""


@dataclass(frozen=True)
class Generation:
    """One product of a claim, each under a name of its own.

    :param record_id: the provisioning record; it outlives the product, and leads to the cluster.
    :param cluster_seconds: how long the ended cluster existed, by EMR's timeline.
    """

    generation: int = 1
    state: State = "claimed"
    record_id: str | None = None
    cluster_id: str | None = None
    cluster_seconds: float = 0.0


@dataclass(frozen=True)
class Claim:
    """One run's claim on a cluster.

    :param generation: part of the product's name; this and the next four are as in :class:`Generation`.
    :param predecessors: the generations before, oldest first.
    """

    environment: str
    dag_id: str
    run_id: str
    purpose: str = "cluster"
    generation: int = 1
    state: State = "claimed"
    record_id: str | None = None
    cluster_id: str | None = None
    cluster_seconds: float = 0.0
    predecessors: tuple[Generation, ...] = ()
    etag: str | None = field(default=None, compare=False)

    @property
    def product_name(self) -> str:
        return self.product_name_of(self.generation)

    def product_name_of(self, generation: int) -> str:
        return names.derive(self.purpose, self.environment, self.dag_id, self.run_id, generation=generation)

    @property
    def current(self) -> Generation:
        return Generation(self.generation, self.state, self.record_id, self.cluster_id, self.cluster_seconds)

    @property
    def may_live(self) -> bool:
        """Whether a product of the claim was, or may have been, requested and is not proven ended."""
        return any(one.state in ("requesting", "requested") for one in (*self.predecessors, self.current))

    def of(self, generation: int) -> Generation:
        """One generation, from 1 to the current one."""
        return (*self.predecessors, self.current)[generation - 1]

    def with_ended(self, generation: int, cluster_id: str | None, cluster_seconds: float) -> Claim:
        """The claim with one of its generations proven ended."""
        ended = replace(
            self.of(generation), state="ended", cluster_id=cluster_id, cluster_seconds=cluster_seconds
        )
        if generation == self.generation:
            return replace(self, **asdict(ended))
        before, after = self.predecessors[: generation - 1], self.predecessors[generation:]
        return replace(self, predecessors=(*before, ended, *after))

    def next_generation(self, record_id: str | None = None) -> Claim:
        """The claim on a successor of the current product.

        :param record_id: the current product's record, where the claim did not know it.
        """
        given_up = replace(self.current, record_id=self.record_id or record_id)
        return replace(
            self, **asdict(Generation(self.generation + 1)), predecessors=(*self.predecessors, given_up)
        )

    def rebuilt(self, records: Mapping[str, str]) -> Claim:
        """The claim as Service Catalog's records tell it, for one whose document was lost.

        Where they tell of no generation, the first one counts as being requested just now.

        :param records: the provisioning record of each product, by the product's name.
        """
        stem = self.product_name_of(1).removesuffix("1")
        known = {
            int(name.removeprefix(stem)): record_id
            for name, record_id in records.items()
            if name.startswith(stem) and name.removeprefix(stem).isdecimal()
        }
        if not known:
            return replace(self, state="requesting")
        *before, last = (
            Generation(number, "requested", known.get(number)) for number in range(1, max(known) + 1)
        )
        return replace(self, **asdict(last), predecessors=tuple(before))

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        del values["etag"]
        key = [self.environment, self.dag_id, self.run_id]
        return {"key": key, "product_name": self.product_name, **values}

    @classmethod
    def from_json(cls, value: dict[str, Any], etag: str) -> Claim:
        stored = {name: item for name, item in value.items() if name not in ("key", "product_name")}
        stored["predecessors"] = tuple(Generation(**item) for item in stored["predecessors"])
        return cls(**stored, etag=etag)


def claim_of(context: Context, environment: str, purpose: str, run_id: str | None = None) -> Claim:
    """The first generation's claim of the run that a task belongs to, or of another run of its DAG."""
    return Claim(environment, context["ti"].dag_id, run_id or context["ti"].run_id, purpose)


def rebuilt(claim: Claim, hook: ServiceCatalogHook) -> Claim:
    """A claim whose document was lost, by the records of the products that carry its names."""
    return claim.rebuilt(hook.provisioning_records(claim.product_name_of(1).removesuffix("1")))


class ClaimStore:
    """Reads and writes claims in one bucket."""

    def __init__(self, hook: ArtifactsHook, bucket: str) -> None:
        self.hook = hook
        self.bucket = bucket

    def uri(self, claim: Claim) -> str:
        digest = names.digest(claim.purpose, claim.environment, claim.dag_id, claim.run_id)
        return f"s3://{self.bucket}/claims/{claim.environment}/{digest}.json"

    def read(self, claim: Claim) -> Claim | None:
        """The stored claim of the same key, or None."""
        found = self.hook.get_json(self.uri(claim))
        return Claim.from_json(*found) if found else None

    def ensure(self, claim: Claim) -> Claim:
        """The stored claim of the same key, written now where there is none."""
        stored = self.read(claim)
        if stored:
            return stored
        etag = self.hook.put_json_if_absent(self.uri(claim), claim.to_json())
        if etag:
            return replace(claim, etag=etag)
        return self._changed_meanwhile(claim)

    def update(self, claim: Claim) -> Claim:
        """Replace the claim that this one was read as.

        A lost answer makes botocore try again and then meet its own write: what is stored decides.

        :raises ResourceConflict: another writer was faster.
        """
        if claim.etag is None:
            raise ValueError("only a claim that was read can be updated")
        etag = self.hook.put_json_if_match(self.uri(claim), claim.to_json(), claim.etag)
        if etag:
            return replace(claim, etag=etag)
        stored = self._changed_meanwhile(claim)
        if stored != claim:
            raise ResourceConflict(
                f"The claim {self.uri(claim)} was changed by another task",
                reason=f"stored: generation {stored.generation}, {stored.state}",
                next_step="Clear the task: it goes on from what is stored.",
            )
        return stored

    def _changed_meanwhile(self, claim: Claim) -> Claim:
        stored = self.read(claim)
        if stored is None:
            raise ResourceConflict(
                f"The claim {self.uri(claim)} vanished while it was written", next_step="Clear the task."
            )
        return stored
