"""The program behind a step: spark-submit on the master node, as command-runner.jar runs it.

https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-commandrunner.html
https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-spark-submit-step.html
"""

from __future__ import annotations

import shlex
from pathlib import Path

from moto.core.utils import utcnow

from local_aws.emr import jvm, log_upload
from local_aws.emr.livy import spark_environment
from local_aws.processes import ChildProcess

STOP_SECONDS = 1.0


class SparkSubmit:
    """A running spark-submit with the node's configuration, the same as Livy's batches get.

    :param node: the node's directory; the logs are in ``steps/<step id>`` below it.
    :param address: the node's own.
    :param log_folder: the URI below which EMR archives the cluster's logs; None where it keeps none.
    """

    def __init__(
        self, args: list[str], step_id: str, node: Path, address: str, region: str, log_folder: str | None
    ) -> None:
        self._folder = node / "steps" / step_id
        self._folder.mkdir(parents=True)
        for directory in ("work", "tmp"):
            (node / directory).mkdir(parents=True, exist_ok=True)
        self._region = region
        self._archive = f"{log_folder}/steps/{step_id}" if log_folder else None
        self._note(f"startExec '{shlex.join(args)}'")
        self._process = ChildProcess(
            [jvm.spark_home() / "bin" / "spark-submit", *args[1:]],
            log=self._folder / "stdout",
            errors=self._folder / "stderr",
            env=spark_environment(node, address, region),
            cwd=node / "work",
        )

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.returncode

    def stop(self) -> None:
        """End the driver and its Python workers."""
        self._process.stop(STOP_SECONDS)

    def finish(self, outcome: str) -> str | None:
        """Archive the logs; the URI of standard error, if the cluster has a LogUri.

        :raises botocore.exceptions.ClientError: no such bucket, for example.
        """
        self._process.stop(STOP_SECONDS)  # a driver may leave workers behind
        self._note(f"waitProcessCompletion {outcome}")
        if self._archive is None:
            return None
        log_upload.upload_files(
            [(path, f"{path.name}.gz") for path in sorted(self._folder.iterdir())],
            self._archive,
            self._region,
        )
        return f"{self._archive}/stderr.gz"

    def _note(self, line: str) -> None:
        with (self._folder / "controller").open("a") as controller:
            controller.write(f"{utcnow():%Y-%m-%dT%H:%M:%S.%f}Z INFO {line}\n")
