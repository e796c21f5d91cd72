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

from sagemaker_emr.exceptions import (
    NEW_CLUSTER,
    ClusterFailed,
    InvalidInput,
    LivyUnreachable,
    SparkJobFailed,
)
from sagemaker_emr.hooks.emr import EmrHook

LIVY_PORT = 8998
CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 60.0
DELETE_TIMEOUT_SECONDS = 10.0
"""Livy answers once the application is killed, which may take a minute. Who kills a task has less, and may
ask again: Livy goes on with what it was asked before."""
GET_RETRIES = 2
BACKOFF_JITTER_SECONDS = 0.2
LOG_PAGE_LINES = 1000
BATCH_PAGE_SIZE = 100

ENDED_STATES = frozenset({"success", "dead", "killed", "error"})
"""States that a batch does not leave (org.apache.livy.sessions.FinishedSessionState)."""

NO_REPL = "Cannot find Livy REPL jars"
"""What Livy's server says where the module for interactive sessions is not installed beside it."""

_S3_FILE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/\S+")


class SessionsUnsupported(Exception):
    """This Livy runs batches only."""


class LivyClient:
    """A client of one Livy server. Proxies of the environment are ignored: the address is in our VPC.

    :param get_retries: how often a GET is repeated; 0 for who looks again anyway.
    """

    def __init__(self, base_url: str, get_retries: int = GET_RETRIES) -> None:
        self.base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["X-Requested-By"] = (
            "airflow"  # required where livy.server.csrf-protection is on
        )
        retries = Retry(
            get_retries, backoff_factor=0.2, backoff_jitter=BACKOFF_JITTER_SECONDS, allowed_methods={"GET"}
        )
        self._session.mount("http://", HTTPAdapter(max_retries=retries))
        self._session.mount("https://", HTTPAdapter(max_retries=retries))

    def version(self) -> dict[str, Any]:
        """``GET /version``.

        :raises LivyUnreachable: something answers that is not Livy.
        """
        response = self._request("GET", "/version")
        value = self._json(response)
        if "version" not in value:
            raise self._not_livy(response)
        return value

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
            next_step=f"Remove the reason. {NEW_CLUSTER}",
        )

    def get_batch(self, name_or_id: str | int) -> dict[str, Any] | None:
        """``GET /batches/{name or id}``, or None where Livy knows no such batch."""
        response = self._request("GET", f"/batches/{name_or_id}")
        return None if response.status_code == 404 else self._json(response)

    def batches(self, page_size: int = BATCH_PAGE_SIZE) -> Iterator[dict[str, Any]]:
        """``GET /batches``: every batch that Livy knows, all pages."""
        start = 0
        while True:
            params = {"from": start, "size": page_size}
            page = self._json(self._request("GET", "/batches", params=params))
            yield from page["sessions"]
            start += len(page["sessions"])
            if not page["sessions"] or start >= page["total"]:
                return

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
        response = self._request("DELETE", f"/batches/{name_or_id}", read_timeout=DELETE_TIMEOUT_SECONDS)
        if response.status_code != 404:
            self._json(response)

    def create_session(self, name: str, heartbeat_seconds: int) -> dict[str, Any]:
        """``POST /sessions`` of kind pyspark; Livy ends it when nobody asks for it for ``heartbeat_seconds``.

        :raises SessionsUnsupported: this Livy has no REPL (EMR's has one).
        :raises SparkJobFailed: Livy refused the session.
        """
        payload = {"kind": "pyspark", "name": name, "heartbeatTimeoutInSecond": heartbeat_seconds}
        response = self._request("POST", "/sessions", json=payload)
        if response.ok:
            return self._json(response)
        reason = _message(response)
        if NO_REPL in reason:
            raise SessionsUnsupported(reason)
        raise SparkJobFailed(
            f"Livy refused the session {name}", reason=f"HTTP {response.status_code}: {reason}"
        )

    def get_session(self, name_or_id: str | int) -> dict[str, Any] | None:
        """``GET /sessions/{name or id}``, or None where Livy knows no such session."""
        response = self._request("GET", f"/sessions/{name_or_id}")
        return None if response.status_code == 404 else self._json(response)

    def run_statement(self, session_id: int, code: str) -> dict[str, Any]:
        """``POST /sessions/{id}/statements``: the statement, waiting or running."""
        return self._json(self._request("POST", f"/sessions/{session_id}/statements", json={"code": code}))

    def get_statement(self, session_id: int, statement_id: int) -> dict[str, Any]:
        """``GET /sessions/{id}/statements/{id}``."""
        return self._json(self._request("GET", f"/sessions/{session_id}/statements/{statement_id}"))

    def delete_session(self, name_or_id: str | int) -> None:
        """``DELETE /sessions/{name or id}``; none there is fine."""
        response = self._request("DELETE", f"/sessions/{name_or_id}")
        if response.status_code != 404:
            self._json(response)

    def _request(
        self, method: str, path: str, read_timeout: float = READ_TIMEOUT_SECONDS, **kwargs: Any
    ) -> requests.Response:
        """:raises requests.ConnectionError: also for a server's own error: it may answer later."""
        response = self._session.request(
            method,
            self.base_url + path,
            timeout=(CONNECT_TIMEOUT_SECONDS, read_timeout),
            allow_redirects=False,
            **kwargs,
        )
        if response.status_code >= 500:
            raise requests.ConnectionError(
                f"{method} {path}: HTTP {response.status_code} {_message(response)}"
            )
        return response

    def _json(self, response: requests.Response) -> dict[str, Any]:
        try:
            value = response.json()
        except requests.JSONDecodeError:
            value = None
        if not response.ok or not isinstance(value, dict):
            raise self._not_livy(response)
        return value

    def _not_livy(self, response: requests.Response) -> LivyUnreachable:
        return LivyUnreachable(
            f"{self.base_url} answers, but not as Livy does",
            reason=f"{response.url}: HTTP {response.status_code} {_message(response)}",
            next_step="Look at /var/log/livy on the master node.",
        )


class LivyHook(EmrHook):
    """Finds the Livy server of an EMR cluster."""

    def livy_url(self, cluster_id: str, port: int = LIVY_PORT) -> str:
        """The server's address.

        :raises ClusterFailed: the cluster has ended, or has no master node yet.
        """
        cluster = self.check_cluster(cluster_id)
        if not cluster.get("MasterPublicDnsName"):
            raise ClusterFailed(
                f"EMR cluster {cluster_id} has no master node yet",
                reason=f"state {cluster['Status']['State']}",
                next_step="Wait for the cluster first (EmrClusterReadySensor).",
            )
        return livy_address(cluster, port)

    def log_hint(self, cluster_id: str, app_id: str | None) -> str:
        """Where EMR puts the driver's whole log, some minutes later; advice, so it never fails."""
        try:
            log_uri = self.describe(cluster_id).get("LogUri")
        except (BotoCoreError, ClientError):
            log_uri = None
        if not log_uri or not app_id:
            return "Read the Livy batch's log on the cluster."
        return f"The driver's whole log will be at {log_uri.rstrip('/')}/{cluster_id}/containers/{app_id}/."


def livy_address(cluster: dict[str, Any], port: int) -> str:
    """Livy's address, by DescribeCluster's MasterPublicDnsName (private in a private subnet)."""
    return f"http://{cluster['MasterPublicDnsName']}:{port}"


def unreachable(livy_url: str, reason: object, master_group: str = "") -> LivyUnreachable:
    """The error for a Livy server that does not answer on a cluster that is alive.

    :param master_group: id of the cluster's master security group, where known.
    """
    address = livy_url.removeprefix("http://")
    group = f" ({master_group})" if master_group else ""
    return LivyUnreachable(
        f"Cannot connect to livy service: {address}",
        reason=str(reason),
        next_step=f"The cluster's master security group{group} must admit TCP {address.rpartition(':')[2]} "
        "from where Airflow runs (as it admits the Studio security group), and Livy must be running on the "
        f"master node. {NEW_CLUSTER}",
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
