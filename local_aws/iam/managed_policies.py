"""AWS's managed policies, parsed once.

moto parses some 1,400 policy documents for every backend it makes or resets, 0.2 s each time.
"""

from __future__ import annotations

import copy
import json
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
