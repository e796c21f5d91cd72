"""Livy's batch API on the master node of an EMR cluster.

Follows https://livy.apache.org/docs/latest/rest-api.html and the 0.7.1 server: a batch's ``name`` is unique
among the batches Livy knows, a duplicate is refused with 400 before it starts, ``GET /batches/{name}`` finds
it, and deleting the batch frees the name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import requests
from botocore.exceptions import BotoCoreError, ClientError
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from sagemaker_emr.exceptions import ClusterFailed, InvalidInput, LivyUnreachable, SparkJobFailed
from sagemaker_emr.hooks.base import ServiceHook
from sagemaker_emr.hooks.emr import CLUSTER_STATES, ClusterState

LIVY_PORT = 8998
CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 60.0
GET_RETRIES = 2
LOG_PAGE_LINES = 1000

ENDED_STATES = frozenset({"success", "dead", "killed", "error"})
"""States that a batch does not leave (org.apache.livy.sessions.FinishedSessionState)."""

_S3_FILE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/\S+")
_ADMIT_8998 = (
    "The EMR master security group must admit TCP 8998 from where Airflow runs "
    "(as it admits the Studio security group), and Livy must be running on the master node."
)


class LivyClient:
    """A client of one Livy server. Proxies of the environment are ignored: the address is in our VPC."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["X-Requested-By"] = (
            "airflow"  # required where livy.server.csrf-protection is on
        )
        retries = Retry(GET_RETRIES, backoff_factor=0.2, allowed_methods={"GET"})
        self._session.mount("http://", HTTPAdapter(max_retries=retries))
        self._session.mount("https://", HTTPAdapter(max_retries=retries))

    def version(self) -> dict[str, Any]:
        """``GET /version``."""
        return self._json(self._request("GET", "/version"))

    def submit_batch(
        self,
        *,
        name: str,
        file: str,
        args: Sequence[str] = (),
        py_files: Sequence[str] = (),
        conf: Mapping[str, str] | None = None,
        allowed_conf: Collection[str] = (),
    ) -> dict[str, Any] | None:
        """``POST /batches``, never sent twice.

        There is no ``proxyUser``: the job runs as Livy does.

        :param allowed_conf: the only configuration keys that may be set.
        :return: the batch, or None when one of this name exists.
        :raises InvalidInput: a file outside S3, or a configuration key that is not allowed.
        :raises SparkJobFailed: Livy refused the batch.
        """
        payload = {
            "name": name,
            "file": _s3_file(file),
            "args": [str(arg) for arg in args],
            "pyFiles": [_s3_file(uri) for uri in py_files],
            "conf": _allowed(conf or {}, allowed_conf),
        }
        response = self._request(
            "POST", "/batches", json={key: value for key, value in payload.items() if value}
        )
        if response.ok:
            return self._json(response)
        reason = _message(response)
        if response.status_code == 400 and "Duplicate session name" in reason:
            return None
        raise SparkJobFailed(
            f"Livy refused the batch {name}",
            reason=f"HTTP {response.status_code}: {reason}",
            next_step="Clear the task to submit it again, once the reason is gone.",
        )

    def get_batch(self, name_or_id: str | int) -> dict[str, Any] | None:
        """``GET /batches/{name or id}``, or None where Livy knows no such batch."""
        response = self._request("GET", f"/batches/{name_or_id}")
        return None if response.status_code == 404 else self._json(response)

    def batch_log(self, batch_id: int, from_: int = 0, size: int = LOG_PAGE_LINES) -> dict[str, Any]:
        """``GET /batches/{id}/log``: one page: ``from``, ``total`` and the lines in ``log``."""
        response = self._request("GET", f"/batches/{batch_id}/log", params={"from": from_, "size": size})
        return {"from": from_, "total": 0, "log": []} if response.status_code == 404 else self._json(response)

    def batch_log_lines(self, batch_id: int, page_lines: int = LOG_PAGE_LINES) -> list[str]:
        """Every line Livy keeps of a batch's log: all pages."""
        return [line for page in self._log_pages(batch_id, page_lines) for line in page]

    def _log_pages(self, batch_id: int, page_lines: int) -> Iterator[list[str]]:
        start = 0
        while True:
            page = self.batch_log(batch_id, start, page_lines)
            yield page["log"]
            start += len(page["log"])
            if not page["log"] or start >= page["total"]:
                return

    def delete_batch(self, name_or_id: str | int) -> None:
        """``DELETE /batches/{name or id}``: kills it if it runs and frees its name; none there is fine."""
        response = self._request("DELETE", f"/batches/{name_or_id}")
        if response.status_code != 404:
            self._json(response)

    def _request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """:raises requests.ConnectionError: also for a server's own error: it may answer later."""
        response = self._session.request(
            method,
            self.base_url + path,
            timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
            allow_redirects=False,
            **kwargs,
        )
        if response.status_code >= 500:
            raise requests.ConnectionError(
                f"{method} {path}: HTTP {response.status_code} {_message(response)}"
            )
        return response

    def _json(self, response: requests.Response) -> dict[str, Any]:
        if not response.ok:
            raise LivyUnreachable(
                f"{self.base_url} answers, but not as Livy does",
                reason=f"{response.url}: HTTP {response.status_code} {_message(response)}",
                next_step="Look at /var/log/livy on the master node.",
            )
        value: dict[str, Any] = response.json()
        return value


class LivyHook(ServiceHook):
    """Finds the Livy server of an EMR cluster."""

    service = "emr"

    def livy_url(self, cluster_id: str, port: int = LIVY_PORT) -> str:
        """The server's address, by DescribeCluster's MasterPublicDnsName (private in a private subnet).

        :raises ClusterFailed: the cluster has ended, or has no master node yet.
        """
        cluster = self.check_cluster(cluster_id)
        if not cluster.get("MasterPublicDnsName"):
            raise ClusterFailed(
                f"EMR cluster {cluster_id} has no master node yet",
                reason=f"state {cluster['Status']['State']}",
                next_step="Wait for the cluster first (EmrClusterReadySensor).",
            )
        return f"http://{cluster['MasterPublicDnsName']}:{port}"

    def check_cluster(self, cluster_id: str) -> dict[str, Any]:
        """DescribeCluster.

        :raises ClusterFailed: the cluster has ended; with EMR's StateChangeReason.
        """
        cluster: dict[str, Any] = self.conn.describe_cluster(ClusterId=cluster_id)["Cluster"]
        status = cluster["Status"]
        meaning = CLUSTER_STATES.of(status["State"], cluster_id)
        if meaning in (ClusterState.ENDING, ClusterState.ENDED):
            reason = status.get("StateChangeReason", {})
            raise ClusterFailed(
                f"EMR cluster {cluster_id} is {status['State']}",
                reason=": ".join(filter(None, (reason.get("Code"), reason.get("Message")))) or None,
                next_step="Clear the tasks from the cluster's request on: they get a new cluster.",
            )
        return cluster

    def log_hint(self, cluster_id: str, app_id: str | None) -> str:
        """Where EMR puts the driver's whole log, some minutes later; advice, so it never fails."""
        try:
            log_uri = self.conn.describe_cluster(ClusterId=cluster_id)["Cluster"].get("LogUri")
        except (BotoCoreError, ClientError):
            log_uri = None
        if not log_uri or not app_id:
            return "Read the Livy batch's log on the cluster."
        return f"The driver's whole log will be at {log_uri.rstrip('/')}/{cluster_id}/containers/{app_id}/."


def unreachable(livy_url: str, reason: object) -> LivyUnreachable:
    """The error for a Livy server that does not answer on a cluster that is alive."""
    return LivyUnreachable(
        f"Cannot connect to livy service: {livy_url.removeprefix('http://')}",
        reason=str(reason),
        next_step=_ADMIT_8998,
    )


def _message(response: requests.Response) -> str:
    """Livy's ``msg``, or the start of whatever was answered."""
    try:
        return str(response.json()["msg"])
    except (ValueError, KeyError, TypeError):
        return response.text[:500]


def _s3_file(uri: str) -> str:
    if not _S3_FILE.fullmatch(uri):
        raise InvalidInput(
            f"Spark can't be given the file {uri!r}", reason="only s3://bucket/key addresses are allowed"
        )
    return uri


def _allowed(conf: Mapping[str, str], allowed: Collection[str]) -> dict[str, str]:
    refused = sorted(set(conf) - set(allowed))
    if refused:
        raise InvalidInput(
            f"Spark configuration {', '.join(refused)} can't be set",
            reason=f"allowed here: {', '.join(sorted(allowed)) or 'none'}",
        )
    return {key: str(value) for key, value in conf.items()}
