"""What an account needs before it can run clusters, and a cluster's parameters."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

SERVICE_ROLE = "EMR_DefaultRole"
INSTANCE_PROFILE = "EMR_EC2_DefaultRole"
END_SECONDS = 60
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "elasticmapreduce.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def make_default_roles(iam: Any) -> None:
    """What ``aws emr create-default-roles`` makes."""
    iam.create_role(RoleName=SERVICE_ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_instance_profile(InstanceProfileName=INSTANCE_PROFILE)


def group(role: str, count: int = 1) -> dict[str, Any]:
    return {"InstanceRole": role, "InstanceType": "m5.xlarge", "InstanceCount": count}


def parameters(**changed: Any) -> dict[str, Any]:
    """RunJobFlow's parameters for a cluster that stays, without Livy."""
    instances = {
        "InstanceGroups": [group("MASTER"), group("CORE", 2)],
        "KeepJobFlowAliveWhenNoSteps": True,
    }
    return {
        "Name": "prepare flights",
        "ReleaseLabel": "emr-7.8.0",
        "Applications": [{"Name": "Spark"}],
        "ServiceRole": SERVICE_ROLE,
        "JobFlowRole": INSTANCE_PROFILE,
        **changed,
        "Instances": instances | changed.get("Instances", {}),
    }


def wait_for(emr: Any, waiter: str, cluster_id: str) -> dict[str, Any]:
    """Wait with one of boto3's waiters, often enough for a scaled clock; the cluster."""
    emr.get_waiter(waiter).wait(ClusterId=cluster_id, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    return describe(emr, cluster_id)


def wait_until_ended(emr: Any, cluster_id: str) -> dict[str, Any]:
    """Wait for the end, with or without errors; the cluster's status."""
    deadline = time.monotonic() + END_SECONDS
    while not (status := describe(emr, cluster_id)["Status"])["State"].startswith("TERMINATED"):
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    found: dict[str, Any] = status
    return found


def describe(emr: Any, cluster_id: str) -> dict[str, Any]:
    cluster: dict[str, Any] = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]
    return cluster


@pytest.fixture(scope="module")
def account(endpoint_url: str, make_client: Callable[..., Any]) -> Callable[..., Any]:
    """``account("emr")``: a client of an account that has EMR's default roles, shared by a module's tests."""
    requests.post(f"{endpoint_url}/moto-api/reset", timeout=60).raise_for_status()
    make_default_roles(make_client("iam"))
    return make_client


@pytest.fixture(scope="module")
def emr(account: Callable[..., Any]) -> Any:
    """EMR in that account."""
    return account("emr")
