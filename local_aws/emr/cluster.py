"""A cluster: its states over time, and the node behind it.

States and reasons: https://docs.aws.amazon.com/emr/latest/APIReference/API_ClusterStatus.html and
https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-overview.html#emr-overview-cluster-lifecycle
"""

from __future__ import annotations

import copy
import logging
import random
import shutil
import string
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from moto.core.utils import utcnow
from moto.utilities.utils import get_partition

from local_aws import clock, persistence
from local_aws.emr import admission, capacity, configuration, log_upload, releases
from local_aws.emr.addresses import Address
from local_aws.emr.bootstrap import BootstrapAction
from local_aws.emr.exceptions import StartFailed, ValidationException
from local_aws.emr.forwarder import Forwarder
from local_aws.emr.instances import InstanceGroup
from local_aws.emr.jvm import NodeIncomplete
from local_aws.emr.livy import CONFIGURATION, Livy, LivyFailed
from local_aws.emr.parameters import instance_groups
from local_aws.emr.spark_submit import SparkSubmit
from local_aws.emr.steps import Step, Steps
from local_aws.jars import JarUnavailable
from local_aws.settings import settings

# How long AWS takes, in AWS's seconds.
PROVISIONING_SECONDS = 180
BOOTSTRAPPING_SECONDS = 60
RUNNING_SECONDS = 10
TERMINATING_SECONDS = 30

DISCARD_SECONDS = 5.0

WATCH_SECONDS = 0.5  # between two looks at a running node
ENDED = ("TERMINATED", "TERMINATED_WITH_ERRORS")
ENDING = ("TERMINATING", *ENDED)

log = logging.getLogger(__name__)


class Cluster:
    """One cluster; starting it returns at once, all else happens in its own thread.

    :param request: RunJobFlow's checked parameters.
    """

    def __init__(self, request: dict[str, Any], account_id: str, region: str) -> None:
        self.id = "j-" + "".join(random.choices(string.ascii_uppercase + string.digits, k=13))
        self.request = copy.deepcopy(request)
        self.account_id = account_id
        self.region = region
        self.state = "STARTING"
        self.reason: dict[str, str] = {}
        self.created = utcnow()
        self.ready: Any = None
        self.ended: Any = None
        self.tags = {tag["Key"]: tag.get("Value", "") for tag in request.get("Tags", [])}
        self.auto_termination_policy: dict[str, int] | None = request.get("AutoTerminationPolicy")
        self.termination_protected: bool = request["Instances"].get("TerminationProtected", False)
        self.visible: bool = request.get("VisibleToAllUsers", True)
        self.groups = [InstanceGroup(group) for group in instance_groups(request["Instances"])]
        self.address: Address | None = None
        self.node = settings.home / "emr" / self.id
        self.steps = Steps(f"emr {self.id} steps", self._begin_step)
        self.steps.add(request.get("Steps", []))
        self._entered = time.time()
        self._released = False
        self._livy: Livy | None = None
        self._inside: Address | None = None
        self._forwarder: Forwarder | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin the cluster's life, or go on with it after a crash of the server."""
        run = persistence.background(self._live)
        self._thread = threading.Thread(target=run, name=f"emr {self.id}", daemon=True)
        self._thread.start()

    def __getstate__(self) -> dict[str, Any]:
        # The node's own address and processes are gone with the server that ran them.
        return {**self.__dict__, "_livy": None, "_inside": None, "_forwarder": None}

    def terminate(self) -> None:
        """Begin the cluster's end; nothing if it has begun.

        :raises ValidationException: the cluster is protected.
        """
        if self.state in ENDING:
            return
        if self.termination_protected:
            raise ValidationException(
                "Could not shut down one or more job flows since they are termination protected."
            )
        self._to("TERMINATING", "USER_REQUEST", "Terminated by user request")
        self._stop.set()

    def discard(self) -> None:
        """End everything at once, for a server that is reset or stopped."""
        self._hurry.set()
        self._stop.set()
        if self._thread is not None:
            self._thread.join(DISCARD_SECONDS)

    @property
    def arn(self) -> str:
        """The cluster's ARN."""
        partition = get_partition(self.region)
        return f"arn:{partition}:elasticmapreduce:{self.region}:{self.account_id}:cluster/{self.id}"

    @property
    def has_livy(self) -> bool:
        """Whether Livy is one of the applications."""
        return any(app["Name"] == "Livy" for app in self.request.get("Applications", []))

    # The life, in the cluster's thread

    def _live(self) -> None:
        code, message = "USER_REQUEST", "Terminated by user request"
        try:
            code, message = self._go_on()
        except StartFailed as failed:
            code, message = failed.code, str(failed)
        except (JarUnavailable, NodeIncomplete) as incomplete:
            log.error("%s: %s", self.id, incomplete)
            code, message = "INTERNAL_ERROR", str(incomplete)
        except LivyFailed as failed:
            log.error("%s: %s", self.id, failed)
            code, message = (
                "INSTANCE_FAILURE",
                f"On the master instance, application provisioning failed: {failed}",
            )
        except Exception:
            log.exception("cluster %s", self.id)
            code, message = "INTERNAL_ERROR", "An internal error occurred."
        self._end(code, message)

    def _go_on(self) -> tuple[str, str]:
        """The life from the state it is in, up to the reason of its end."""
        if self.state in ENDING:
            return self.reason.get("Code", "USER_REQUEST"), self.reason.get("Message", "")
        if self.ready is not None:
            return self._come_back() or self._watch()
        if self.state == "STARTING" and (ended := self._start()):
            return ended
        return self._bootstrap() or self._serve()

    def _start(self) -> tuple[str, str] | None:
        self.node.mkdir(parents=True, exist_ok=True)
        until = self._deadline(PROVISIONING_SECONDS)
        capacity.check(self.region, self.account_id, get_partition(self.region), self.request)
        with persistence.change():
            self.reason = {"Message": "Configuring cluster software"}
            self._claim_address()
            for group in self.groups:
                if not group.instances:
                    group.run(self.region, self.id, self.request["Instances"], self.tags)
        return self._pass(until)

    def _claim_address(self) -> None:
        if self.address is None:
            self.address = Address(settings.cluster_addresses)
        elif not self.address.is_held:
            self.address.claim()

    def _come_back(self) -> tuple[str, str] | None:
        """After a crash of the server: the node's Livy starts anew, without its batches."""
        self._claim_address()
        self.steps.resume()
        self._configure()
        return None

    def _bootstrap(self) -> tuple[str, str] | None:
        self._claim_address()
        shutil.rmtree(self.node / "bootstrap-actions", ignore_errors=True)
        self._to("BOOTSTRAPPING", None, "Running bootstrap actions")
        until = self._deadline(BOOTSTRAPPING_SECONDS)
        actions = self.request.get("BootstrapActions", [])
        for number, action in enumerate(actions, 1):
            BootstrapAction(action, number, self.master_instance_id, self.region).run(self.node, self._stop)
            if self._stop.is_set():
                return self._terminated_by_user()
        self._configure()
        return self._pass(until)

    def _configure(self) -> None:
        configurations = self.request.get("Configurations", [])
        self._inside = Address()
        configuration.write(self.node / CONFIGURATION, str(self._inside), configurations)
        if self.has_livy:
            self._provision_livy(configurations)

    def _provision_livy(self, configurations: list[dict[str, Any]]) -> None:
        with (self.node / "provisioning.log").open("a") as notes:
            notes.writelines(
                f"{key} is not applied: Livy recovers sessions from YARN only, and this node has none\n"
                for key in configuration.not_applied(configurations)
            )
            notes.writelines(
                f"{app['Name']} is listed, nothing runs behind it here\n"
                for app in self.request["Applications"]
                if releases.APPLICATIONS[app["Name"]] is None
            )
        self._livy = Livy(self.node, str(self._inside), self.region)
        self._start_livy(self._livy)

    def _start_livy(self, livy: Livy) -> None:
        """Livy listens behind the forwarder, and the forwarder only while Livy does."""
        livy.start()
        if livy.wait_until_answering(self._stop):
            self._forwarder = Forwarder(str(self.address), livy.address, self._admitted_sources)

    def _admitted_sources(self) -> frozenset[str]:
        return admission.admitted_sources(self.account_id, self.region, self.request["Instances"])

    def _serve(self) -> tuple[str, str]:
        with persistence.change():
            self.ready = utcnow()
            self._to("RUNNING", None, "")
            for group in self.groups:
                group.to("RUNNING")
        self.steps.start()
        return self._pass(self._deadline(RUNNING_SECONDS)) or self._watch()

    def _watch(self) -> tuple[str, str]:
        """Wait for the end; meanwhile restart Livy if it died, as its service manager does on EMR."""
        busy_until = time.monotonic()
        while not self._stop.is_set():
            if ended := self._look_at_steps():
                return ended
            if self._livy is not None and not self._livy.is_running:
                self._close_forwarder()
                self._livy.stop()
                self._start_livy(self._livy)
            if self.steps.are_active or (self._livy is not None and self._livy.is_active):
                busy_until = time.monotonic()
            policy = self.auto_termination_policy
            if policy and time.monotonic() - busy_until >= _idle_seconds(policy):
                # AWS documents the policy, not the reason's wording.
                return "USER_REQUEST", (
                    f"Terminated by the auto-termination policy: idle for {policy['IdleTimeout']} seconds"
                )
            with persistence.waiting():
                self._stop.wait(WATCH_SECONDS)
        return self._terminated_by_user()

    def _look_at_steps(self) -> tuple[str, str] | None:
        """RUNNING with steps, WAITING without; the reason to end, if they give one."""
        if self.steps.ends_cluster and not self.termination_protected:
            return "STEP_FAILURE", "Shut down as step failed"
        if self.steps.are_active:
            self._to("RUNNING", None, "Running step")
        elif not self.request["Instances"].get("KeepJobFlowAliveWhenNoSteps", False):
            return "ALL_STEPS_COMPLETED", "Steps completed"
        else:
            self._to("WAITING", None, "Cluster ready to run steps.")
        return None

    def _begin_step(self, step: Step) -> SparkSubmit:
        uri = self.request.get("LogUri")
        folder = log_upload.cluster_folder(uri, self.id) if uri else None
        return SparkSubmit(step.args, step.id, self.node, str(self._inside), self.region, folder)

    def _end(self, code: str, message: str) -> None:
        with_errors = code not in ("USER_REQUEST", "ALL_STEPS_COMPLETED")
        if self.state != "TERMINATING":
            self._to("TERMINATING", code, message)
        until = self._deadline(TERMINATING_SECONDS)
        for release in (
            self.steps.stop,
            self._stop_livy,
            self._upload_logs,
            self._release_instances,
            self._remove_scratch,
        ):
            self._quietly(release)
        with persistence.waiting():
            self._hurry.wait(max(0.0, until - time.monotonic()))
        with persistence.change():
            self.ended = utcnow()
            for group in self.groups:
                group.to("TERMINATED")
            self._to("TERMINATED_WITH_ERRORS" if with_errors else "TERMINATED", code, message)

    def _stop_livy(self) -> None:
        self._close_forwarder()
        if self._livy is not None:
            self._livy.stop()
        for address in (self.address, self._inside):
            if address is not None:
                address.release()

    def _close_forwarder(self) -> None:
        if self._forwarder is not None:
            self._forwarder.close()

    def _upload_logs(self) -> None:
        if not self._hurry.is_set() and (uri := self.request.get("LogUri")):
            log_upload.upload(uri, self.id, self.master_instance_id, self.node, self.region)

    def _release_instances(self) -> None:
        if not self._hurry.is_set() and not self._released:
            ids = [instance["Ec2InstanceId"] for group in self.groups for instance in group.instances]
            with persistence.change():
                capacity.terminate(self.region, ids)
                self._released = True

    def _remove_scratch(self) -> None:
        persistence.check()
        for scratch in ("tmp", "warehouse", "work", "commands"):
            shutil.rmtree(self.node / scratch, ignore_errors=True)

    def _quietly(self, release: Callable[[], None]) -> None:
        """What can't be released must not keep the rest from being released, nor the cluster from ending."""
        try:
            release()
        except Exception:
            log.exception("cluster %s, while it ended", self.id)

    # Small helpers

    @property
    def master_instance_id(self) -> str:
        """The master's EC2 instance id, empty before it was started."""
        return next((i["Ec2InstanceId"] for g in self.groups if g.role == "MASTER" for i in g.instances), "")

    def _to(self, state: str, code: str | None, message: str) -> None:
        given = {"Code": code, "Message": message}
        reason = {name: value for name, value in given.items() if value}
        if (state, reason) == (self.state, self.reason):
            return
        with persistence.change(), self._lock:
            if self.state in ENDING and state not in ENDING:
                return  # a termination request came first
            if state != self.state:
                self._entered = time.time()
            self.state, self.reason = state, reason
            if state == "BOOTSTRAPPING":
                for group in self.groups:
                    group.to("BOOTSTRAPPING")

    def _deadline(self, aws_seconds: float) -> float:
        """Of the present state, in which the cluster may have been before a crash of the server."""
        passed = time.time() - self._entered
        return time.monotonic() + max(0.0, clock.here(aws_seconds) - passed)

    def _pass(self, until: float) -> tuple[str, str] | None:
        """Let time pass; the reason to end if that was asked for meanwhile."""
        with persistence.waiting():
            stopped = self._stop.wait(max(0.0, until - time.monotonic()))
        if stopped:
            return self._terminated_by_user()
        return None

    def _terminated_by_user(self) -> tuple[str, str]:
        return "USER_REQUEST", "Terminated by user request"


def _idle_seconds(policy: Mapping[str, int]) -> float:
    """How long a cluster with this auto-termination policy may be idle here."""
    return max(clock.here(policy["IdleTimeout"]), settings.least_idle_seconds)
