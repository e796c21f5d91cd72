from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from sagemaker_emr.exceptions import DeadlineExceeded, SparkJobFailed
from sagemaker_emr.sensors.livy import LivyBatchFinishedSensor
from tests.plugins.sagemaker_emr.conftest import Run, ScriptedAws
from tests.plugins.sagemaker_emr.livy_server import FakeLivy
from tests.plugins.sagemaker_emr.memory_s3 import MemoryS3

MANIFEST = "s3://features/_batches/b-1.json"
Make = Callable[[], LivyBatchFinishedSensor]

pytestmark = pytest.mark.parametrize("deferrable", [True, False])


@pytest.fixture
def livy() -> Iterator[FakeLivy]:
    with FakeLivy() as server:
        yield server


@pytest.fixture
def make(aws: ScriptedAws, livy: FakeLivy, deferrable: bool) -> Callable[..., Make]:
    objects = MemoryS3(aws)
    livy.on_state["success"] = lambda batch: objects.put(MANIFEST, json.dumps({"batch": "b-1"}))
    cluster = {"Id": "j-1", "Name": "c", "Status": {"State": "WAITING"}, "MasterPublicDnsName": "127.0.0.1"}
    aws.on("DescribeCluster", {"Cluster": cluster})
    return lambda timeout=60.0: (
        lambda: LivyBatchFinishedSensor(
            task_id="wait",
            aws_conn_id=None,
            cluster_id="j-1",
            batch_name="b-1",
            completion_manifest="s3://features/_batches/{batch_name}.json",
            livy_port=livy.port,
            deferrable=deferrable,
            timeout=timeout,
        )
    )


def test_it_waits_until_the_batch_has_finished(
    run_task: Run, make: Callable[..., Make], livy: FakeLivy
) -> None:
    livy.add("b-1", ["starting", "running", "success"])
    assert run_task(make())["completion"] == {"batch": "b-1"}


def test_it_fails_with_the_batch(run_task: Run, make: Callable[..., Make], livy: FakeLivy) -> None:
    livy.add("b-1", ["running", "dead"])
    livy.log = ["Traceback (most recent call last):", '  File "job.py", line 1', "ValueError: no rows"]
    with pytest.raises(SparkJobFailed, match="ValueError: no rows"):
        run_task(make())


def test_it_leaves_the_batch_alone(run_task: Run, make: Callable[..., Make], livy: FakeLivy) -> None:
    livy.add("b-1", ["running"])
    with pytest.raises(DeadlineExceeded):
        run_task(make(timeout=0.2))
    assert not livy.deleted
