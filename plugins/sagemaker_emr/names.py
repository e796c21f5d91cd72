"""Names and tokens, derived from what they stand for and never random.

The same logical key gives the same name in every try, so a create is idempotent and a retry finds what
an earlier try made without XCom. A generation is part of the key where AWS keeps a name for ever.
"""

from __future__ import annotations

import hashlib
import json
import re

HASH_CHARACTERS = 12
MAX_NAME_CHARACTERS = 63
"""SageMaker's limit for job, model and endpoint names; the narrowest of the services used."""

_DERIVED = re.compile(rf"(.+)-([0-9a-f]{{{HASH_CHARACTERS}}})-([1-9][0-9]*)")
_NOT_ALLOWED = re.compile(r"[^a-zA-Z0-9]+")


def digest(*key: object) -> str:
    """A short hash of a logical key: 12 hexadecimal characters of SHA-256 over its JSON."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARACTERS]


def derive(purpose: str, *key: object, generation: int = 1) -> str:
    """A name of at most 63 letters, digits and hyphens: the purpose, a hash of the key, the generation.

    :param purpose: a readable prefix, shortened when too long.
    :param key: what the name stands for: environment, DAG, run or date.
    :param generation: advances only past a predecessor that AWS shows as finished or killed.
    """
    if generation < 1:
        raise ValueError(f"generation starts at 1, got {generation}")
    suffix = f"-{digest(purpose, *key)}-{generation}"
    prefix = _NOT_ALLOWED.sub("-", purpose).strip("-")[: MAX_NAME_CHARACTERS - len(suffix)].rstrip("-")
    return prefix + suffix


def split(name: str) -> tuple[str, str, int] | None:
    """Purpose, hash and generation of a name that :func:`derive` may have made; None of any other."""
    found = _DERIVED.fullmatch(name)
    return (found[1], found[2], int(found[3])) if found else None


def stack_name(environment: str, stack: str) -> str:
    """The CloudFormation stack of one concern (storage, network, studio, catalog) of an environment."""
    return f"sagemaker-emr-{environment}-{stack}"


def tags(
    environment: str, *, owner: str | None = None, dag_id: str | None = None, run_id: str | None = None
) -> dict[str, str]:
    """The tags everything of ours carries, by which cost and leftovers are traced to their run."""
    values = {
        "sagemaker-emr:environment": environment,
        "sagemaker-emr:owner": owner,
        "sagemaker-emr:dag": dag_id,
        "sagemaker-emr:run": run_id,
    }
    return {key: _tag_value(value) for key, value in values.items() if value is not None}


def _tag_value(value: str) -> str:
    """A value every service accepts: 256 characters of letters, digits, spaces and ``_.:/=+-@``."""
    return re.sub(r"[^\w .:/=+\-@]", "_", value, flags=re.ASCII)[:256]


def to_tag_list(values: dict[str, str]) -> list[dict[str, str]]:
    """Tags in the ``[{"Key": …, "Value": …}]`` form of the AWS APIs."""
    return [{"Key": key, "Value": value} for key, value in sorted(values.items())]
