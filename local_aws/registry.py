"""Registers our backends, responses and CloudFormation types with moto.

moto routes a service to the ``urls.py`` beside the module of the class that ``<service>_backends.backend``
names, and finds CloudFormation types among the direct subclasses of ``CloudFormationModel``. So importing
our ``models`` modules before the first request is the whole registration.
"""

from __future__ import annotations

import importlib
import os

from moto.cloudformation import parsing

SERVICES = (
    "cloudformation",
    "ec2",
    "emr",
    "iam",
    "logs",
    "s3",
    "sagemaker",
    "sagemakerruntime",
    "servicecatalog",
    "servicequotas",
)


# AWS's managed policies exist in every account; Amazon's machine images are of no use here and cost memory.
MOTO_SETTINGS = {
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    "MOTO_ALLOW_NONEXISTENT_REGION": "true",
}


def register() -> None:
    """Import every extension; safe to call again."""
    os.environ.update(MOTO_SETTINGS)
    for service in SERVICES:
        importlib.import_module(f"local_aws.{service}.models")
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()
