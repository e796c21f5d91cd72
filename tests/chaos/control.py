"""The same faults over the provider's stock operators, and where they must show.

A control that passes everywhere would say that the checker sees nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from local_aws import internal
from sagemaker_emr import staging
from tests.chaos import job, livy
from tests.chaos.schedules import STORE_RESULT

CONTROL = "control"

CONSEQUENCES = frozenset({"other outputs", "little work"})
"""Of a run that failed half way; told of by "run failed" already."""

EXPECTED = {
    ("emr.RunJobFlow", "lost"): {"cluster left", "two clusters"},
    ("emr.RunJobFlow", "after"): {"cluster left", "two clusters"},
    ("sagemaker.CreateTrainingJob", "lost"): {"trained twice"},
    ("sagemaker.CreateTrainingJob", "after"): {"trained twice"},
    ("sagemaker.CreateModel", "lost"): {"run failed"},
    ("sagemaker.CreateModel", "after"): {"run failed"},
    ("sagemaker.CreateEndpointConfig", "lost"): {"run failed"},
    ("sagemaker.CreateEndpointConfig", "after"): {"run failed"},
    (STORE_RESULT, "before"): {"cluster left", "two clusters", "trained twice", "run failed"},
}
"""By the call and what befalls it: what is violated then; nothing else is.

Steps that are added twice do not show: the job, which is ours, finds that the work is done."""

BY_PACE = {
    ("sagemaker.CreateEndpoint", "lost"): {"run failed"},
    ("sagemaker.CreateEndpoint", "after"): {"run failed"},
}
"""May be violated too: the next try updates the endpoint, which is refused while it is being created."""


def stage_for_control(bucket: str) -> None:
    """The code that ours stages with a task."""
    packed = staging.pack_directory(staging.INCLUDE / "training")
    internal.client("s3", job.REGION).put_object(Bucket=bucket, Key="sourcedir.tar.gz", Body=packed)


def unexpected(violated: Iterable[tuple[str, str, str]]) -> list[str]:
    """What the control did otherwise than the tables say, in sentences.

    :param violated: operation, kind of fault and invariant, of the whole matrix.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for operation, kind, invariant in violated:
        if invariant not in CONSEQUENCES and invariant not in BY_PACE.get((operation, kind), ()):
            found.setdefault((operation, kind), set()).add(invariant)
    return [
        f"{operation} {kind}: violates {sorted(found.get((operation, kind), set()))}, "
        f"expected {sorted(EXPECTED.get((operation, kind), set()))}"
        for operation, kind in sorted(found.keys() | EXPECTED.keys())
        if found.get((operation, kind)) != EXPECTED.get((operation, kind))
    ]


class SparkSubmit:
    """In the place of :class:`local_aws.emr.spark_submit.SparkSubmit`: the job of a step, without Spark."""

    def __init__(self, args: list[str], step_id: str, node: Any, *_: Any) -> None:
        at = next(index for index, arg in enumerate(args) if arg.endswith(".py"))
        argv = args[at + 1 :]
        self._batch = livy.Batch(len(livy.Livy.applications), step_id, argv, node.name)
        self._batch.application_id = "application"
        livy.Livy.applications.append(self._batch)
        self._thread = threading.Thread(target=self._batch.run, daemon=True)
        self._thread.start()

    def poll(self) -> int | None:
        if self._thread.is_alive():
            return None
        return 0 if self._batch.state == "success" else 1

    def stop(self) -> None:
        self._batch.killed.set()
        self._thread.join()

    def finish(self, outcome: str) -> None:
        """Nothing is archived."""


QUICK = 100
"""How much faster the stock operators' pauses pass: half a minute each, and there are many."""


def install() -> None:
    """Let stock operators wait quickly, and steps run without Spark; for good, in this process."""
    import airflow.providers.amazon.aws.hooks.sagemaker as sagemaker_hook
    import airflow.providers.amazon.aws.utils.waiter as waiter
    import airflow.providers.amazon.aws.utils.waiter_with_logging as waiter_with_logging
    import airflow.sdk.bases.sensor as sensor
    import botocore.waiter

    from local_aws.emr import cluster
    from tests.chaos import clock

    quick = SimpleNamespace(**{**vars(clock.TIME), "sleep": lambda seconds: clock.sleep(seconds / QUICK)})
    for module in (sagemaker_hook, waiter, waiter_with_logging, sensor, botocore.waiter):
        module.time = quick
    cluster.SparkSubmit = SparkSubmit
    job.load()
