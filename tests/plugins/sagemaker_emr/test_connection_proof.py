"""The proof of a notebook's connection, on a cluster that runs a real Livy.

The archives that can be had from Maven Central have no interactive sessions: what is proven there is that the
statement counts as not checked. With ``LIVY_HOME=<a Livy distribution> pytest`` it runs.
"""

from __future__ import annotations

import pytest
import requests

from local_aws.settings import settings
from sagemaker_emr import notebooks
from sagemaker_emr.operators.sagemaker_notebook import SageMakerConnectNotebookOperator
from tests.local_aws.emr.conftest import make_default_roles, parameters, wait_for

pytestmark = [pytest.mark.local_aws, pytest.mark.runtime]

STATEMENT = "passed" if settings.livy_home else "not checked"
PROOFS = {
    "The cluster runs with Livy": "passed",
    "Studio's security group reaches port 8998": "passed",
    "The master node has an address": "passed",
    "Livy answers": "passed",
    "A PySpark statement runs": STATEMENT,
}


@pytest.fixture
def groups(local_aws):
    """Security groups by name; the master's admits Studio's and Airflow's."""
    ec2 = local_aws("ec2")
    made = {
        name: ec2.create_security_group(GroupName=name, Description=name)["GroupId"]
        for name in ("EmrMaster", "EmrServiceAccess", "AirflowSecurityGroup", "StudioSecurityGroup")
    }
    for group, source, port in (
        ("EmrMaster", "AirflowSecurityGroup", 8998),
        ("EmrMaster", "StudioSecurityGroup", 8998),
        ("EmrServiceAccess", "EmrMaster", 9443),
    ):
        pairs = [{"GroupId": made[source]}]
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": pairs}
        ec2.authorize_security_group_ingress(GroupId=made[group], IpPermissions=[rule])
    return made


@pytest.fixture
def cluster(local_aws, groups):
    make_default_roles(local_aws("iam"))
    emr = local_aws("emr")
    subnet = local_aws("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    named = {
        "EmrManagedMasterSecurityGroup": groups["EmrMaster"],
        "EmrManagedSlaveSecurityGroup": groups["EmrMaster"],
        "ServiceAccessSecurityGroup": groups["EmrServiceAccess"],
    }
    asked = parameters(
        Applications=[{"Name": "Spark"}, {"Name": "Livy"}], Instances={"Ec2SubnetId": subnet, **named}
    )
    found = wait_for(emr, "cluster_running", emr.run_job_flow(**asked)["JobFlowId"])
    yield found
    emr.terminate_job_flows(JobFlowIds=[found["Id"]])
    wait_for(emr, "cluster_terminated", found["Id"])


def test_a_statement_runs_where_livy_has_sessions_and_is_not_checked_where_it_has_none(
    cluster, groups, bucket, run_task
):
    result = run_task(
        lambda: SageMakerConnectNotebookOperator(
            task_id="connect",
            cluster_id=cluster["Id"],
            studio_security_group_ids=[groups["StudioSecurityGroup"]],
            bucket=bucket,
            aws_conn_id=None,
        )
    )
    assert {one["name"]: one["verdict"] for one in result["proof"]} == PROOFS, result["proof"]
    assert result["snippet"] == notebooks.snippet(cluster["Id"])
    livy = f"http://{cluster['MasterPublicDnsName']}:8998"
    assert requests.get(f"{livy}/sessions", timeout=10).json()["total"] == 0
