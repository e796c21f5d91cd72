"""One interactive PySpark session, deleted whatever happens."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from sagemaker_emr.exceptions import DeadlineExceeded, SparkJobFailed
from sagemaker_emr.hooks.livy import LivyClient
from sagemaker_emr.triggers.base import poll_delays

HEARTBEAT_SECONDS = 120
"""If this process dies, Livy ends the session by itself this long after the last question for it."""

ENDED_STATES = frozenset({"shutting_down", "error", "dead", "killed", "success"})


class LivySession:
    """``with LivySession(client, name, deadline_at) as session: session.run("1 + 1")``.

    :param name: derived, so that what an earlier try left is found and deleted first.
    :param deadline_at: for everything until the session is deleted, in seconds since the epoch.
    """

    def __init__(self, client: LivyClient, name: str, deadline_at: float) -> None:
        self._client = client
        self._name = name
        self._deadline_at = deadline_at
        self._id = -1

    def __enter__(self) -> LivySession:
        """Start the session and wait until it is idle.

        :raises SessionsUnsupported: this Livy runs batches only.
        :raises SparkJobFailed: it did not start.
        :raises DeadlineExceeded: not in time.
        """
        self._client.delete_session(self._name)
        try:
            self._id = int(self._client.create_session(self._name, HEARTBEAT_SECONDS)["id"])
            self._wait_until_idle()
        except BaseException:
            self._client.delete_session(self._name)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.delete_session(self._name)

    def run(self, code: str) -> str:
        """Run one statement; what it printed.

        :raises SparkJobFailed: it raised; with its traceback.
        :raises DeadlineExceeded: it was not done in time.
        """
        session_id = self._id
        statement = self._client.run_statement(session_id, code)
        for delay in poll_delays():
            if statement["state"] == "available":
                return _text(statement["output"])
            if statement["state"] in ("error", "cancelling", "cancelled"):
                raise SparkJobFailed(f"A statement of session {self._name} is {statement['state']}")
            self._pause(delay, f"the statement to end, which is {statement['state']}")
            statement = self._client.get_statement(session_id, statement["id"])
        raise AssertionError("poll_delays never ends")

    def _wait_until_idle(self) -> None:
        for delay in poll_delays():
            session = self._client.get_session(self._name)
            if session is None or session["state"] in ENDED_STATES:
                raise SparkJobFailed(
                    f"Livy session {self._name} is {session['state'] if session else 'gone'}",
                    reason="\n".join(session.get("log", [])) if session else None,
                    next_step="Look at the session's log on the cluster: a full cluster starts no session.",
                )
            if session["state"] == "idle":
                return
            self._pause(delay, f"session {self._name} to start, which is {session['state']}")

    def _pause(self, delay: float, waiting_for: str) -> None:
        left = self._deadline_at - time.time()
        if left <= 0:
            raise DeadlineExceeded(f"Deadline passed while waiting for {waiting_for}")
        time.sleep(min(delay, left))


def _text(output: dict[str, Any]) -> str:
    if output["status"] != "ok":
        raise SparkJobFailed(
            f"A statement raised {output.get('ename')}: {output.get('evalue')}",
            reason="".join(output.get("traceback", [])) or None,
        )
    return str(output["data"].get("text/plain", ""))
