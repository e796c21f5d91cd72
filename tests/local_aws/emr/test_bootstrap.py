"""Bootstrap actions really run; what they ask of the node is checked."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from local_aws.emr.bootstrap import BootstrapAction

from .conftest import parameters, wait_for, wait_until_ended

pytestmark = pytest.mark.local_aws

BUCKET = "bootstrap-scripts"


@pytest.fixture(scope="module")
def s3(account: Callable[..., Any]) -> Any:
    made = account("s3")
    made.create_bucket(Bucket=BUCKET)
    return made


def action(key: str, *arguments: str) -> dict[str, Any]:
    return {
        "Name": "install",
        "ScriptBootstrapAction": {"Path": f"s3://{BUCKET}/{key}", "Args": list(arguments)},
    }


def end_of_a_cluster_with(emr: Any, s3: Any, script: str) -> tuple[dict[str, Any], str]:
    """Run a cluster that ends when its bootstrap action did; its status and the script's output."""
    s3.put_object(Bucket=BUCKET, Key="install.sh", Body=script)
    asked = parameters(
        BootstrapActions=[action("install.sh", "one", "two words")],
        LogUri=f"s3://{BUCKET}/logs/",
        Instances={"KeepJobFlowAliveWhenNoSteps": False},
    )
    cluster_id = emr.run_job_flow(**asked)["JobFlowId"]
    status = wait_until_ended(emr, cluster_id)
    [master] = emr.list_instances(ClusterId=cluster_id, InstanceGroupTypes=["MASTER"])["Instances"]
    log = f"logs/{cluster_id}/node/{master['Ec2InstanceId']}/bootstrap-actions/1/stdout.gz"
    return status, gzip.decompress(s3.get_object(Bucket=BUCKET, Key=log)["Body"].read()).decode()


def test_a_script_gets_its_arguments_and_the_nodes_commands(emr: Any, s3: Any) -> None:
    script = """#!/bin/bash
set -euo pipefail
echo "arguments: $1, $2"
sudo yum install -y tk-devel libwebp-devel
sudo python3 -m pip install numpy==1.26.4 pandas
python3 -c 'import numpy; print("numpy", numpy.__version__)'
"""
    status, output = end_of_a_cluster_with(emr, s3, script)
    assert status["State"] == "TERMINATED", output
    assert "arguments: one, two words" in output
    assert "tk-devel: not needed" in output
    assert "numpy 1.26.4" in output


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo no luck; exit 3", "no luck"),
        ("#!/no/such/shell", ""),
        ("#!/bin/bash\r\n:", ""),
        ("pip3 install numpy==1.21.2", "this node has numpy 1.26.4"),
        ("sudo pip install left-pad", "this node has no left-pad"),
        ("sudo dnf remove -y glibc", "dnf remove is not played"),
    ],
    ids=[
        "exit status",
        "no interpreter",
        "carriage return",
        "other version",
        "absent package",
        "other command",
    ],
)
def test_a_script_that_fails_ends_the_cluster(emr: Any, s3: Any, script: str, expected: str) -> None:
    status, output = end_of_a_cluster_with(emr, s3, script)
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    assert status["StateChangeReason"]["Code"] == "BOOTSTRAP_FAILURE"
    assert status["StateChangeReason"]["Message"].endswith(
        "bootstrap action 1 returned a non-zero return code"
    )
    assert expected in output


def test_a_missing_script_ends_the_cluster(emr: Any, s3: Any) -> None:
    asked = parameters(BootstrapActions=[action("absent.sh")])
    reason = wait_until_ended(emr, emr.run_job_flow(**asked)["JobFlowId"])["StateChangeReason"]
    assert reason["Code"] == "BOOTSTRAP_FAILURE"
    assert reason["Message"].endswith("failed attempting to download bootstrap action 1 file from S3")


def test_bootstrap_actions_are_listed(emr: Any, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="install.sh", Body="true")
    asked = parameters(BootstrapActions=[action("install.sh", "a")])
    cluster_id = emr.run_job_flow(**asked)["JobFlowId"]
    assert emr.list_bootstrap_actions(ClusterId=cluster_id)["BootstrapActions"] == [
        {"Name": "install", "ScriptPath": f"s3://{BUCKET}/install.sh", "Args": ["a"]}
    ]


def test_terminating_a_cluster_ends_its_running_script(emr: Any, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="install.sh", Body="sleep 600")
    cluster_id = emr.run_job_flow(**parameters(BootstrapActions=[action("install.sh")]))["JobFlowId"]
    while emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"] == "STARTING":
        pass
    emr.terminate_job_flows(JobFlowIds=[cluster_id])
    assert wait_for(emr, "cluster_terminated", cluster_id)["Status"]["State"] == "TERMINATED"


@pytest.mark.parametrize("first_line", ["", "#!/bin/bash\n", "#! /usr/bin/env -S bash -eu\n"])
def test_a_script_that_a_forked_process_still_has_open_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_line: str
) -> None:
    """As it is while another thread starts a process: to execute it would be refused with ETXTBSY."""
    with (tmp_path / "install.sh").open("w") as held:
        held.write(f"{first_line}echo $(sudo whoami) got $1")
        held.flush()
        (tmp_path / "install.sh").chmod(0o700)
        monkeypatch.setattr(BootstrapAction, "_fetch", lambda self, directory: tmp_path / "install.sh")
        script = {"ScriptBootstrapAction": {"Path": f"s3://{BUCKET}/install.sh", "Args": ["this"]}}
        BootstrapAction(script, 1, "i-0", "us-east-1").run(tmp_path, Event())
    output = (tmp_path / "bootstrap-actions" / "1" / "output.log").read_text()
    assert output.endswith("got this\n"), output
