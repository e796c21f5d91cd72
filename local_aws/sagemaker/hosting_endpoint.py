"""An endpoint: its states over time and the deployment that serves."""

from __future__ import annotations

import logging
import random
import threading
from datetime import UTC, datetime
from typing import Any

from local_aws import clock, persistence
from local_aws.sagemaker.hosting_container import Container

CREATING_AWS_SECONDS = 120
UPDATING_AWS_SECONDS = 120
ROLLING_BACK_AWS_SECONDS = 30
DELETING_AWS_SECONDS = 15

log = logging.getLogger(__name__)


class Deployment:
    """One endpoint configuration, running."""

    def __init__(self, config_name: str, containers: list[Container]) -> None:
        self.config_name, self.containers = config_name, containers
        self.start_time = datetime.now(UTC)

    def start(self) -> str:
        """Start every container; the first one's complaint, or nothing if all are healthy."""
        for container in self.containers:
            container.start()
        for container in self.containers:
            if not container.wait_until_healthy():
                variant = container.variant["VariantName"]
                return (
                    f"The primary container for production variant {variant} did not pass the ping health "
                    "check. Please check CloudWatch logs for this endpoint."
                )
        return ""

    def stop(self) -> None:
        """End every container."""
        for container in self.containers:
            container.stop()

    def retire(self) -> None:
        """End every container once what it was asked is answered: an update loses no invocation."""
        for container in self.containers:
            container.drain()
        self.stop()

    def choose(self, variant_name: str = "") -> Container | None:
        """A variant by name, or one at random by their weights; None if there is none of that name."""
        if variant_name:
            return next((c for c in self.containers if c.variant["VariantName"] == variant_name), None)
        weights = [float(container.variant.get("InitialVariantWeight", 1)) for container in self.containers]
        return random.choices(self.containers, weights if any(weights) else None)[0]

    def variants(self) -> list[dict[str, Any]]:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariantSummary.html"""
        return [
            {
                "VariantName": container.variant["VariantName"],
                "DeployedImages": [
                    {
                        "SpecifiedImage": container.definition.image,
                        "ResolvedImage": container.definition.image,
                        "ResolutionTime": self.start_time,
                    }
                ],
                "CurrentWeight": float(container.variant.get("InitialVariantWeight", 1)),
                "DesiredWeight": float(container.variant.get("InitialVariantWeight", 1)),
                "CurrentInstanceCount": container.variant["InitialInstanceCount"],
                "DesiredInstanceCount": container.variant["InitialInstanceCount"],
            }
            for container in self.containers
        ]


class Endpoint:
    """State of one endpoint; each change runs in a thread of its own, one at a time.

    :param tags: its tags, which AddTags changes.
    """

    def __init__(self, arn: str, name: str, tags: list[dict[str, str]]) -> None:
        self.arn, self.name, self.tags = arn, name, tags
        self.status, self.failure_reason = "Creating", ""
        self.creation_time = self.last_modified_time = datetime.now(UTC)
        self.current: Deployment | None = None
        self.pending: Deployment | None = None

    @property
    def changing(self) -> bool:
        """Whether an operation is in progress: then nothing else may change it, deletion included."""
        return self.status in ("Creating", "Updating", "RollingBack", "Deleting")

    def create(self, deployment: Deployment) -> None:
        """Creating, then InService or Failed."""
        self._change("Creating", deployment, self._create)

    def update(self, deployment: Deployment) -> None:
        """Updating; the old deployment serves until the new one is healthy, and goes on if it never is."""
        self._change("Updating", deployment, self._update)

    def delete(self, forget: Any) -> None:
        """Deleting, then gone: ``forget`` is called when the containers have ended."""
        self._enter("Deleting")
        deployment, self.current = self.current, None

        def run() -> None:
            if deployment:
                deployment.stop()
            clock.sleep(DELETING_AWS_SECONDS)
            with persistence.change():
                forget()

        self._in_background(run)

    def resume(self, forget: Any) -> None:
        """After a crash of the server: what served starts again, and a change in progress goes on."""
        if self.current and self.status != "Failed":
            self._in_background(self.current.start)
        if self.status == "Deleting":
            self.delete(forget)
        elif self.status == "Updating" and self.pending is self.current:
            self._settle()
        elif self.status == "Updating" and self.pending:
            self.update(self.pending)
        elif self.status == "Creating" and self.pending:
            self.create(self.pending)
        elif self.status == "RollingBack":
            self._in_background(self._roll_back)

    def kill(self) -> None:
        """End every container at once; for a server that ends."""
        for deployment in (self.current, self.pending):
            if deployment:
                deployment.stop()

    def _change(self, status: str, deployment: Deployment, run: Any) -> None:
        self.failure_reason, self.pending = "", deployment
        self._enter(status)
        self._in_background(lambda: run(deployment))

    def _create(self, deployment: Deployment) -> None:
        complaint = _start_and_pass(deployment, CREATING_AWS_SECONDS)
        if complaint:
            deployment.stop()
        with persistence.change():
            self.pending = None
            self.current = deployment
            self.failure_reason = complaint
            self._enter("Failed" if complaint else "InService")

    def _update(self, deployment: Deployment) -> None:
        complaint = _start_and_pass(deployment, UPDATING_AWS_SECONDS)
        if complaint:
            with persistence.change():
                self.failure_reason = complaint
                self._enter("RollingBack")
            deployment.stop()
            self._roll_back()
            return
        with persistence.change():
            previous, self.current = self.current, deployment
        if previous:
            previous.retire()
        self._settle()

    def _roll_back(self) -> None:
        clock.sleep(ROLLING_BACK_AWS_SECONDS)
        self._settle()

    def _settle(self) -> None:
        with persistence.change():
            self.pending = None
            self._enter("InService")

    def _enter(self, status: str) -> None:
        with persistence.change():
            self.last_modified_time = datetime.now(UTC)
            self.status = status

    def _in_background(self, run: Any) -> None:
        target = persistence.background(run)
        threading.Thread(target=target, name=f"endpoint {self.name}", daemon=True).start()

    def describe(self) -> dict[str, Any]:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html"""
        shown = self.current or self.pending
        described: dict[str, Any] = self.summary()
        if shown:
            described["EndpointConfigName"] = shown.config_name
        if self.current and self.status != "Failed":
            described["ProductionVariants"] = self.current.variants()
        if self.failure_reason and self.status != "RollingBack":
            described["FailureReason"] = self.failure_reason
        if self.current and self.pending:
            described["PendingDeploymentSummary"] = {
                "EndpointConfigName": self.pending.config_name,
                "StartTime": self.pending.start_time,
            }
        return described

    def summary(self) -> dict[str, Any]:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_EndpointSummary.html"""
        return {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            "EndpointStatus": self.status,
        }


def _start_and_pass(deployment: Deployment, aws_seconds: float) -> str:
    """Start a deployment while AWS's time for it passes: the longer of the two counts."""
    waited = threading.Event()
    timer = threading.Timer(clock.here(aws_seconds), waited.set)
    timer.daemon = True
    timer.start()
    try:
        complaint = deployment.start()
    except Exception:  # the service's own fault is an answer too, never an endpoint that hangs
        log.exception("a deployment of %s", deployment.config_name)
        complaint = "InternalServerError: the service failed to start the containers."
    with persistence.waiting():
        waited.wait()
    return complaint
