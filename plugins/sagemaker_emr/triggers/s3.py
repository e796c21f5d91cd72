"""Waits for objects in S3."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sagemaker_emr.hooks.s3 import ArtifactsHook, split_uri
from sagemaker_emr.triggers.base import WaitTrigger

MAX_LISTED = 10
MAX_HEADS = 3
"""Up to so many objects of one data set are asked for one by one; more are listed."""


class S3ObjectsExistTrigger(WaitTrigger):
    """Waits until each of the objects exists.

    :param uris: their ``s3://`` addresses.
    """

    hook_class = ArtifactsHook

    def __init__(self, *, uris: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uris = uris
        self._missing = sorted(set(uris))

    def describe(self) -> str:
        listed = "\n  ".join(self._missing[:MAX_LISTED])
        more = len(self._missing) - MAX_LISTED
        rest = f"\n  and {more} more" if more > 0 else ""
        return f"{len(self._missing)} of {len(set(self.uris))} objects in S3, missing:\n  {listed}{rest}"

    def look(self) -> dict[str, Any] | None:
        """Ask only for what was missing at the last look: a raw partition is not taken back."""
        groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        for uri in self._missing:
            bucket, key = split_uri(uri)
            groups[bucket, key.split("/")[0]].append(key)
        self._missing = [
            f"s3://{bucket}/{key}"
            for (bucket, _), keys in groups.items()
            for key in self._absent(bucket, sorted(keys))
        ]
        if self._missing:
            self.report(f"Missing {len(self._missing)}, the first is {self._missing[0]}")
            return None
        return {"count": len(set(self.uris))}

    def _absent(self, bucket: str, wanted: list[str]) -> list[str]:
        if len(wanted) <= MAX_HEADS:
            return [key for key in wanted if self.hook.etag(f"s3://{bucket}/{key}") is None]
        absent = set(wanted)
        # StartAfter leaves out the key itself: start just before the first one.
        for key in self.hook.keys(bucket, _common_prefix(wanted), start_after=wanted[0][:-1]):
            absent.discard(key)
            if key >= wanted[-1]:
                break
        return sorted(absent)


def _common_prefix(ordered: list[str]) -> str:
    """What all of the keys begin with: of ordered ones, what the first and the last share."""
    first, last = ordered[0], ordered[-1]
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:same]
