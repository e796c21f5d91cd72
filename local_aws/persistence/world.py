"""The picture of all state but S3's keys.

Every backend of moto and ours is in one pickle, so that what they share stays shared.
"""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version
from typing import Any

import moto.backends
from moto.core.base_backend import BackendDict
from moto.s3.models import s3_backends

from local_aws.persistence import pickling

FORMAT = 1
"""Raised with every change of a pickled class that ``__setstate__`` or a default does not bridge."""

NOT_KEPT = frozenset({"moto_api", "instance_metadata"})

Backends = dict[str, dict[str, dict[str, Any]]]


class UnreadableState(Exception):
    """A state was written by another version, or is damaged."""


@cache
def stamp() -> dict[str, str]:
    """What a picture's readers must have in common with its writer."""
    return {"format": str(FORMAT), "moto": version("moto"), "python": platform.python_version()}


def take(extra: dict[str, Any]) -> bytes:
    """The picture.

    :param extra: what else is to be kept.
    """
    backends: Backends = {
        each.service_name: {account: dict(regions) for account, regions in each.items()}
        for each in list(BackendDict._instances)
        if each.service_name not in NOT_KEPT
    }
    return pickling.dumps(stamp()) + pickling.dumps({"backends": backends, **extra})


def put_back(content: bytes) -> dict[str, Any]:
    """Replace every backend by the picture's; what ``extra`` was.

    :raises UnreadableState: names why it can't be.
    """
    from local_aws.iam import managed_policies

    stream = pickling.Stream(content)
    try:
        written_by = stream.load()
        if written_by != stamp():
            raise UnreadableState(f"it was written by {written_by}, this is {stamp()}")
        with managed_policies.restoring():
            world: dict[str, Any] = stream.load()
    except UnreadableState:
        raise
    except Exception as error:
        raise UnreadableState(f"{type(error).__name__}: {error}") from error
    forget()
    backends: Backends = world.pop("backends")
    for service, accounts in backends.items():
        _put_back(moto.backends.get_backend(service), accounts)
    for bucket in buckets():
        s3_backends.bucket_accounts[bucket.name] = (bucket.partition, bucket.account_id)
    return world


def _put_back(home: Any, accounts: dict[str, dict[str, Any]]) -> None:
    for account, regions in accounts.items():
        for region, backend in regions.items():
            dict.__setitem__(home[account], region, backend)


def forget() -> None:
    """Leave every backend of this process behind, as it is."""
    for each in list(BackendDict._instances):
        if each.service_name not in NOT_KEPT:
            each.clear()
    s3_backends.bucket_accounts.clear()


def size() -> int:
    """How many backends there are: moto makes one when it is first asked for, defaults and all."""
    return sum(len(regions) for each in list(BackendDict._instances) for regions in list(each.values()))


def buckets() -> list[Any]:
    """Every bucket."""
    return [
        bucket
        for _, _, backend in list(s3_backends.iter_backends())
        for bucket in list(backend.buckets.values())
    ]
