"""Registers our backends, responses and CloudFormation types with moto.

moto routes a service to the ``urls.py`` beside the module of the class that ``<service>_backends.backend``
names, and finds CloudFormation types among the direct subclasses of ``CloudFormationModel``. So importing
our ``models`` modules before the first request is the whole registration.
"""

from __future__ import annotations

import importlib

from moto.cloudformation import parsing

SERVICES = ("cloudformation", "emr", "logs", "sagemaker", "servicecatalog")


def register() -> None:
    """Import every extension; safe to call again."""
    for service in SERVICES:
        importlib.import_module(f"local_aws.{service}.models")
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()
