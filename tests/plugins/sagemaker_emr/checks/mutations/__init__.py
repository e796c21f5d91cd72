"""For each check a mutation per cause that it can name: what to break, and what mends it again."""

from __future__ import annotations

from tests.plugins.sagemaker_emr.checks.mutations import (
    catalog,
    drift,
    iam,
    network,
    security_groups,
    stacks,
    studio,
)
from tests.plugins.sagemaker_emr.checks.mutations.registry import MUTATIONS, Mutation, check_mutation

__all__ = [
    "MUTATIONS",
    "Mutation",
    "catalog",
    "check_mutation",
    "drift",
    "iam",
    "network",
    "security_groups",
    "stacks",
    "studio",
]
