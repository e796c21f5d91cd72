"""AWS's managed policies, parsed once.

moto parses some 1,400 policy documents for every backend it makes or resets, 0.2 s each time.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from moto.iam import models as moto_models
from moto.iam.aws_managed_policies import aws_managed_policies_data


def install() -> None:
    """Let moto's IAM use what is here."""
    moto_models.IAMBackend._init_aws_policies = _init_aws_policies


@cache
def _parsed(account_id: str, region: str) -> list[Any]:
    return [
        moto_models.AWSManagedPolicy.from_data(name, account_id, region, data)
        for name, data in json.loads(aws_managed_policies_data).items()
    ]


def _init_aws_policies(backend: Any) -> list[Any]:
    return [copy.copy(policy) for policy in _parsed(backend.account_id, backend.region_name)]


_restored: dict[tuple[str, str], dict[str, Any]] = {}


@contextmanager
def restoring() -> Iterator[None]:
    """While a state is put back, everything that refers to one of these policies gets the same object."""
    _restored.clear()
    try:
        yield
    finally:
        _restored.clear()


def of(account_id: str, partition: str) -> dict[str, Any]:
    """By ARN, the policies of the account that is being put back."""
    if (account_id, partition) not in _restored:
        originals = _by_arn(account_id, partition)
        _restored[account_id, partition] = {arn: _copy(policy) for arn, policy in originals.items()}
    return _restored[account_id, partition]


@cache
def _by_arn(account_id: str, partition: str) -> dict[str, Any]:
    return {policy.arn: policy for policy in _parsed(account_id, partition)}


def _copy(policy: Any) -> Any:
    """``copy.copy`` takes thirty times as long, which counts with six partitions of 1,500."""
    made = object.__new__(type(policy))
    made.__dict__.update(policy.__dict__)
    return made
