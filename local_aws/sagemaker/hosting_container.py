"""One production variant's container: its folders, its process, its health and its invocations."""

from __future__ import annotations

import http.client
import secrets
import shutil
import tarfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.logs.models import LogFollower, LogStream
from local_aws.processes import ChildProcess
from local_aws.sagemaker.s3_objects import Objects, unpack
from local_aws.sagemaker.training_run import container_environment
from local_aws.settings import settings

LOG_GROUP = "/aws/sagemaker/Endpoints/"
PROGRAM = Path(__file__).with_name("serving_container.py")
POLL_SECONDS = 0.05
PING_TIMEOUT_SECONDS = 2
STARTUP_TIMEOUT_SECONDS = 300
INVOCATION_TIMEOUT_SECONDS = 60
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html"""
MODEL_CODE = "/opt/ml/model/code"


@dataclass(frozen=True)
class ContainerDefinition:
    """What runs: a model's container with its package, if any, resolved."""

    image: str
    model_data_url: str
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A container's answer to an invocation."""

    status: int
    content_type: str
    body: bytes


class Container:
    """The process of one variant.

    :param variant: the endpoint configuration's ProductionVariant.
    """

    def __init__(
        self,
        endpoint: str,
        variant: dict[str, Any],
        definition: ContainerDefinition,
        account_id: str,
        region: str,
    ) -> None:
        self.variant, self.definition = variant, definition
        self._account_id, self._region = account_id, region
        self.instance_id = f"i-{secrets.token_hex(9)[:17]}"
        self.folder = settings.home / "sagemaker" / "endpoints" / endpoint / self.instance_id
        stream = f"{variant['VariantName']}/{self.instance_id}"
        self.log = LogStream(account_id, region, LOG_GROUP + endpoint, stream)
        self._process: ChildProcess | None = None
        self._follower: LogFollower | None = None
        self._port = 0
        self._loaded = False
        self._stopped = False
        self._in_flight = 0
        self._idle = threading.Condition()

    def __getstate__(self) -> dict[str, Any]:
        # The process is gone with the server that ran it.
        gone: dict[str, Any] = {"_process": None, "_follower": None, "_loaded": False, "_in_flight": 0}
        return {**self.__dict__, **gone}

    def start(self) -> None:
        """Fetch model and code, start the program. What is wrong with them stands in the log."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "tmp").mkdir(parents=True)
        try:
            self._fetch(self.definition.model_data_url, self.folder / "model")
            code = self._code_folder()
        except (FileNotFoundError, tarfile.TarError) as error:
            self.log.write([f"{type(error).__name__}: {error}"])
            return
        log = self.folder / "container.log"
        self._process = ChildProcess(
            [settings.sagemaker_python, PROGRAM, code, self.folder / "model", self._port_file],
            log=log,
            env=container_environment(self.folder, self._region) | self.definition.environment,
            cwd=self.folder,
        )
        self._follower = LogFollower(log, self.log)
        if self._stopped:
            self.stop(grace_seconds=0)

    def wait_until_healthy(self) -> bool:
        """Whether ``/ping`` answers 200 before the variant's health check times out or the program ends."""
        timeout = self.variant.get("ContainerStartupHealthCheckTimeoutInSeconds", STARTUP_TIMEOUT_SECONDS)
        deadline = time.monotonic() + timeout
        while self._process and self._process.returncode is None and time.monotonic() < deadline:
            if self.healthy():
                return True
            time.sleep(POLL_SECONDS)
        return False

    def healthy(self) -> bool:
        """Whether ``/ping`` answers 200 now."""
        if not self._process or not self._port_file.exists():  # a file without a process is one before's
            return False
        self._port = int(self._port_file.read_text())
        try:
            healthy = self._request("GET", "/ping", b"", {}, PING_TIMEOUT_SECONDS).status == 200
        except (OSError, http.client.HTTPException):
            return False
        self._loaded = self._loaded or healthy
        return healthy

    def invoke(self, body: bytes, headers: dict[str, str]) -> Answer:
        """Forward an invocation.

        :raises TimeoutError: no answer in SageMaker's 60 seconds.
        :raises OSError: the process is gone.
        """
        with self._idle:
            self._in_flight += 1
        try:
            if not self._loaded:
                self._wait_until_back()
            return self._request("POST", "/invocations", body, headers, INVOCATION_TIMEOUT_SECONDS)
        finally:
            with self._idle:
                self._in_flight -= 1
                self._idle.notify_all()

    def _wait_until_back(self) -> None:
        """What served before a crash of the server starts anew; meanwhile invocations wait."""
        deadline = time.monotonic() + INVOCATION_TIMEOUT_SECONDS
        while not self.healthy():
            if self._stopped or time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(POLL_SECONDS)

    def drain(self) -> None:
        """Wait until the invocations it has been given are answered."""
        with self._idle:
            self._idle.wait_for(lambda: not self._in_flight, INVOCATION_TIMEOUT_SECONDS)

    def stop(self, grace_seconds: float = 1) -> None:
        """End the process and remove its files; its log stays in CloudWatch."""
        self._stopped = True
        if self._process:
            self._process.stop(grace_seconds)
        if self._follower:
            self._follower.finish()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _port_file(self) -> Path:
        return self.folder / "port"

    def _code_folder(self) -> Path:
        submitted = self.definition.environment["SAGEMAKER_SUBMIT_DIRECTORY"]
        if submitted == MODEL_CODE:
            return self.folder / "model" / "code"
        self._fetch(submitted, self.folder / "code")
        return self.folder / "code"

    def _fetch(self, uri: str, folder: Path) -> None:
        content = Objects(self._account_id, self._region).read(uri)
        if content is None:
            raise FileNotFoundError(f"{uri} not found")
        archive = folder.with_suffix(".tar.gz")
        archive.write_bytes(content)
        unpack(archive, folder)
        archive.unlink()

    def _request(
        self, method: str, path: str, body: bytes, headers: dict[str, str], timeout: float
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.getheader("Content-Type", ""), response.read())
        finally:
            connection.close()
