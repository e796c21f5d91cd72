"""Claims: who intends to own the one cluster of a run, written down before anything is created.

A claim is a small document at ``s3://<bucket>/claims/<environment>/<digest>.json``. It carries the
generation, hence the product's name, so that a retry, a cleared run and a teardown all find the same
product without XCom. Every write is conditional: of two writers one is told that it lost.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from sagemaker_emr import names
from sagemaker_emr.exceptions import ResourceConflict
from sagemaker_emr.hooks.s3 import ArtifactsHook

State = Literal["claimed", "requested", "ended"]
"""``claimed``: intent only. ``requested``: ProvisionProduct was answered. ``ended``: proven terminated."""


@dataclass(frozen=True)
class Claim:
    """One run's claim on a cluster.

    :param generation: part of the product's name; advances past a predecessor that has ended.
    :param record_id: the provisioning record; it outlives the product, and leads to the cluster.
    :param cluster_seconds: how long the ended cluster existed, by EMR's timeline.
    """

    environment: str
    dag_id: str
    run_id: str
    purpose: str = "cluster"
    generation: int = 1
    state: State = "claimed"
    record_id: str | None = None
    cluster_id: str | None = None
    cluster_seconds: float | None = None
    etag: str | None = field(default=None, compare=False)

    @property
    def product_name(self) -> str:
        return names.derive(
            self.purpose, self.environment, self.dag_id, self.run_id, generation=self.generation
        )

    def next_generation(self) -> Claim:
        """The claim on the successor of a product that has ended."""
        return Claim(
            self.environment, self.dag_id, self.run_id, self.purpose, self.generation + 1, etag=self.etag
        )

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        del values["etag"]
        key = [self.environment, self.dag_id, self.run_id]
        return {"key": key, "product_name": self.product_name, **values}

    @classmethod
    def from_json(cls, value: dict[str, Any], etag: str) -> Claim:
        derived = {name: item for name, item in value.items() if name not in ("key", "product_name")}
        return cls(**derived, etag=etag)


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
