"""Airflow's REST API as far as the local stack uses it."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from local_stack.credentials import USER, Credentials
from local_stack.settings import Settings

TIMEOUT_SECONDS = 20
BACKFILL_SECONDS = 120
"""Airflow answers once it has made or cleared the run of each date."""
WARM_UP_SECONDS = 60
TOKEN_SECONDS = 3600
"""How long a token is used; Airflow's are valid for a day."""

Json = dict[str, Any]


class AirflowClient:
    """Calls the running Airflow as the stack's user.

    Every method raises ``requests.RequestException`` when Airflow does not answer or refuses.
    """

    def __init__(self, settings: Settings, secrets: Credentials) -> None:
        self._url = settings.airflow_url
        self._login = {"username": USER, "password": secrets.password}
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy stands before loopback
        self._token_until = 0.0

    def token(self) -> str:
        """The user's bearer token, as the login gives it; for what is called beside this client."""
        self._authenticate()
        return str(self._http.headers["Authorization"]).removeprefix("Bearer ")

    def health(self) -> dict[str, Json]:
        """The state of the database, scheduler, triggerer and DAG processor."""
        parts: dict[str, Json] = self._call("GET", "/monitor/health", authenticated=False)
        return parts

    def warm_up(self) -> None:
        """Have the API server build its part for tasks: it does so at the first call, and takes seconds."""
        self._http.get(f"{self._url}/execution/health/ping", timeout=WARM_UP_SECONDS).raise_for_status()

    def import_errors(self) -> dict[str, str]:
        """Stack traces by file name."""
        errors = self._call("GET", "/importErrors")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def parsed_files(self, since: float) -> set[Path]:
        """Files whose DAGs were parsed after that moment."""
        dags = self._call("GET", "/dags?limit=100")["dags"]
        return {
            Path(dag["fileloc"]).resolve()
            for dag in dags
            if dag["last_parsed_time"] and timestamp(dag["last_parsed_time"]) >= since
        }

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs be scheduled."""
        self._call("PATCH", f"/dags/{dag_id}", {"is_paused": False})

    def pause(self, dag_id: str) -> None:
        """Start no task of a DAG until it is unpaused."""
        self._call("PATCH", f"/dags/{dag_id}", {"is_paused": True})

    def trigger(self, dag_id: str, conf: Json, run_id: str | None = None) -> str:
        """Start a run now; its run id."""
        body: Json = {"conf": conf, "logical_date": None}
        if run_id is not None:
            body["dag_run_id"] = run_id
        run_id = self._call("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"]
        return str(run_id)

    def clear(self, dag_id: str, run_id: str, task_ids: list[str], *, downstream: bool = True) -> None:
        """Let tasks of a run run again."""
        body = {
            "dag_run_id": run_id,
            "task_ids": task_ids,
            "only_failed": False,
            "include_downstream": downstream,
            "dry_run": False,
        }
        self._call("POST", f"/dags/{dag_id}/clearTaskInstances", body)

    def mark_failed(self, dag_id: str, run_id: str) -> None:
        """Fail a run by hand, as the UI's button does."""
        self._call("PATCH", f"/dags/{dag_id}/dagRuns/{quote(run_id)}", {"state": "failed"})

    def ensure_pool(self, name: str, slots: int, description: str) -> None:
        """Make a pool in which deferred tasks count, unless there is one of that name."""
        names = {pool["name"] for pool in self._call("GET", "/pools?limit=100")["pools"]}
        if name not in names:
            body = {"name": name, "slots": slots, "description": description, "include_deferred": True}
            self._call("POST", "/pools", body)

    def backfill(
        self,
        dag_id: str,
        first: datetime.date,
        last: datetime.date,
        *,
        runs_at_once: int,
        reprocess: str = "none",
        conf: Json | None = None,
    ) -> int:
        """Start a backfill as the UI's form does; its id.

        :param reprocess: ``none``, ``failed`` or ``completed``: which dates that have a run get another.
        """
        body = {
            "dag_id": dag_id,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T00:00:00Z",
            "max_active_runs": runs_at_once,
            "reprocess_behavior": reprocess,
            "run_backwards": False,
            "dag_run_conf": conf or {},
        }
        return int(self._call("POST", "/backfills", body, seconds=BACKFILL_SECONDS)["id"])

    def find_backfill(self, backfill_id: int) -> Json:
        """A backfill: ``completed_at`` is null until the scheduler has noticed that its last run ended."""
        found: Json = self._call("GET", f"/backfills/{backfill_id}")
        return found

    def change_backfill(self, backfill_id: int, action: str) -> None:
        """``pause``, ``unpause`` or ``cancel`` a backfill."""
        self._call("PUT", f"/backfills/{backfill_id}/{action}")

    def runs(self, dag_id: str) -> list[Json]:
        """All runs of a DAG, newest first, 300 at most."""
        runs: list[Json] = []
        while len(runs) < 300:
            path = f"/dags/{dag_id}/dagRuns?limit=100&offset={len(runs)}&order_by=-run_after"
            page = self._call("GET", path)["dag_runs"]
            runs += page
            if len(page) < 100:
                break
        return runs

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Delete a run with all that Airflow knows of it."""
        self._call("DELETE", f"/dags/{dag_id}/dagRuns/{quote(run_id)}")

    def run(self, dag_id: str, run_id: str) -> Json:
        """A run: its state, start and end."""
        found: Json = self._call("GET", f"/dags/{dag_id}/dagRuns/{quote(run_id)}")
        return found

    def tasks(self, dag_id: str, run_id: str) -> list[Json]:
        """The task instances of a run."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances?limit=100"
        found: list[Json] = self._call("GET", path)["task_instances"]
        return found

    def running_tasks(self, dag_id: str) -> list[Json]:
        """The task instances of a DAG that have a process now, 100 at most."""
        path = f"/dags/{dag_id}/dagRuns/~/taskInstances?state=running&limit=100"
        found: list[Json] = self._call("GET", path)["task_instances"]
        return found

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """A value a task returned; None when it returned none."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/xcomEntries/{key}"
        try:
            return self._call("GET", f"{path}?deserialize=false&stringify=false")["value"]
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code == requests.codes.not_found:
                return None
            raise

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> list[str]:
        """The lines of a task's log."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/logs/{try_number}"
        content = self._call("GET", f"{path}?full_content=true")["content"]
        return [line for entry in content for line in _lines(entry)]

    def _call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        authenticated: bool = True,
        seconds: float = TIMEOUT_SECONDS,
    ) -> Any:
        if authenticated:
            self._authenticate()
        response = self._http.request(method, f"{self._url}/api/v2{path}", json=body, timeout=seconds)
        if not response.ok:
            raise requests.HTTPError(
                f"{method} {path}: {response.status_code} {response.text}", response=response
            )
        return response.json() if response.content else None

    def _authenticate(self) -> None:
        if time.monotonic() < self._token_until:
            return
        response = self._http.post(f"{self._url}/auth/token", json=self._login, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        self._http.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        self._token_until = time.monotonic() + TOKEN_SECONDS


def timestamp(text: str) -> float:
    """Seconds since 1970 of a time as Airflow's API writes it."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _lines(entry: Any) -> list[str]:
    """A structured log entry as text, with the traceback it may carry."""
    if isinstance(entry, str):
        return entry.splitlines()
    event = str(entry.get("event", ""))
    if event.startswith("::"):  # marks of foldable groups in the UI
        return []
    lines = event.splitlines()
    for error in entry.get("error_detail") or []:
        lines += [
            f'  File "{frame["filename"]}", line {frame["lineno"]}, in {frame["name"]}'
            for frame in error.get("frames", [])
        ]
        lines += f"{error.get('exc_type')}: {error.get('exc_value')}".splitlines()
    return lines
