"""The environments that a run looks after: those that its form names, and no other."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sagemaker_emr.catalog_clusters import tags_of
from sagemaker_emr.exceptions import PlatformNotReady
from sagemaker_emr.hooks.resource_groups_tagging import ResourceGroupsTaggingHook
from sagemaker_emr.hooks.service_catalog import ServiceCatalogHook
from sagemaker_emr.orphan_search import ENVIRONMENT_TAG, Environment


def environments(named: str, also: str, connection: dict[str, Any]) -> list[Environment]:
    """Those of the form that have a catalog.

    :param named: the form's environment.
    :param also: the others, with commas between them; one that can't be read is left out, so that it does
        not keep anything from the rest. :func:`unreadable` tells of it.
    :param connection: keyword arguments for an AWS hook.
    :raises PlatformNotReady: ``named`` has a catalog but no storage.
    """
    found = [Environment.find(named, connection)]
    found += [_find(name, connection)[0] for name in _names(also, named)]
    return [environment for environment in found if environment is not None]


def unreadable(named: str, also: str, connection: dict[str, Any]) -> list[str]:
    """A line for each of the others that can't be read, with the reason."""
    why = {name: _find(name, connection)[1] for name in _names(also, named)}
    return [f"environment {name}: {error}" for name, error in why.items() if error is not None]


def _names(also: str, named: str) -> list[str]:
    return [name for name in dict.fromkeys(also.split(",")) if name and name != named]


def _find(name: str, connection: dict[str, Any]) -> tuple[Environment | None, Exception | None]:
    try:
        return Environment.find(name, connection), None
    except (ClientError, PlatformNotReady) as error:
        return None, error


def unnamed(looked_after: list[Environment], connection: dict[str, Any]) -> list[str]:
    """Names of the account's other environments in which anything carries our tag."""
    products = ServiceCatalogHook(**connection).all_provisioned_products()
    told = {tags_of(product).get(ENVIRONMENT_TAG) for product in products}
    told |= ResourceGroupsTaggingHook(**connection).values(ENVIRONMENT_TAG)
    return sorted(name for name in told if name and name not in {one.name for one in looked_after})
