"""The user that the local stack's access key belongs to.

An account has somebody who administers it. Without one, GetCallerIdentity could only name a user that IAM
does not know, and Service Catalog could not tell whether its caller is among a portfolio's principals.
"""

from __future__ import annotations

from typing import Any

from moto.iam import models as moto_models

USER_NAME = "local"
ACCESS_KEY_ID = "AKIALOCALSTACK000001"
"""In the form of AWS's, which moto insists on."""


def install() -> None:
    """Give every account the user; moto calls this hook of its own at the end of a backend's making."""
    moto_models.IAMBackend.initialize_service_roles = _create_user


def _create_user(backend: Any) -> None:
    user = backend.create_user(backend.region_name, USER_NAME)
    key = user.create_access_key(prefix="AKIA")
    key.access_key_id = ACCESS_KEY_ID
    backend.access_keys[key.physical_resource_id] = key
