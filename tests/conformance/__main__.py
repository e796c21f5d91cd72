"""``make conformance`` and ``make conformance-clean``: the tests against a real account, and what they left.

``python -m tests.conformance run [pytest arguments]`` asks for consent in ``CONFORMANCE_ACCOUNT``,
``CONFORMANCE_REGION`` and ``CONFORMANCE_MAX_USD``, and takes credentials as boto3 does. A sweep ends it,
whatever happened: a failure, the time limit, Ctrl-C, a crash of pytest. After a crash of this very process,
``clean`` removes what any run left behind.
Exit status: 0 conforms, 1 differs, 2 interrupted or out of time, 3 refused, 4 something was left behind.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from tests.conformance import report
from tests.conformance.account import RUN_VARIABLE, Account, Refused
from tests.conformance.plugin import REFUSED, RESULTS_VARIABLE
from tests.conformance.sweep import Sweep

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "var" / "conformance"
TEST_SECONDS = 1800
STOP_SECONDS = 120
DIFFERS, STOPPED, LEFT = 1, 2, 4


def run(arguments: Sequence[str]) -> int:
    """The tests, the sweep and the table; the exit status.

    :raises Refused: before anything was made.
    """
    account = Account.opened(os.environ, secrets.token_hex(3))
    results = FOLDER / account.run / "results.jsonl"
    results.parent.mkdir(parents=True)
    consent = account.consent
    where = os.environ.get("AWS_ENDPOINT_URL")
    print(
        f"run {account.run} in {where or 'AWS'}, account {consent.account}, {consent.region}: "
        f"at most {consent.max_usd} USD and {consent.max_minutes:g} minutes",
        flush=True,
    )
    try:
        status = _pytest(account, results, arguments)
    finally:
        os.environ[RUN_VARIABLE] = account.run
        clean = _sweep(account)
    if status == REFUSED:
        return REFUSED
    return _told(results, status, clean, where)


def _pytest(account: Account, results: Path, arguments: Sequence[str]) -> int:
    command = [
        *(sys.executable, "-m", "pytest", "-p", "tests.conformance.plugin", "-p", "no:cacheprovider"),
        *("-m", "conformance", "--quiet", f"--timeout={TEST_SECONDS}"),
        *(arguments or ["tests/local_aws"]),
    ]
    environment = {**os.environ, RUN_VARIABLE: account.run, RESULTS_VARIABLE: str(results)}
    # A session of its own: Ctrl-C reaches this process alone, which then lets pytest clean up.
    process = subprocess.Popen(command, cwd=PROJECT, env=environment, start_new_session=True)
    try:
        with _terminated_as_interrupted():
            return process.wait(account.consent.max_minutes * 60)
    except subprocess.TimeoutExpired:
        print(f"\nstopped after {account.consent.max_minutes:g} minutes", flush=True)
    except KeyboardInterrupt:
        print("\ninterrupted; cleaning up", flush=True)
    finally:
        _stop(process)
    return -STOPPED


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _sweep(account: Account) -> bool:
    gone, left = Sweep(account).run()
    for what in gone:
        print(f"removed {what}")
    for what in left:
        print(f"LEFT BEHIND {what}")
    print(
        "nothing is left" if not left else "remove these by hand, or run make conformance-clean", flush=True
    )
    return not left


def _told(path: Path, status: int, clean: bool, where: str | None) -> int:
    results = report.Results.read(path)
    lines = report.rows(results, report.played_operations())
    text = report.table(lines)
    (path.parent / "table.txt").write_text(text + "\n")
    print(text)
    counts = Counter(row.verdict for row in lines)
    print(", ".join(f"{counts[verdict]} {verdict}" for verdict in report.VERDICTS), end="")
    print(f"; at most {results.usd:.2f} USD of an estimated {results.estimated_usd:.2f}; {path.parent}")
    if where:
        print(f"This was a rehearsal against {where}: it says nothing about AWS.")
    if not clean:
        return LEFT
    if status == -STOPPED:
        return STOPPED
    return DIFFERS if status else 0


def main(arguments: Sequence[str]) -> int:
    """Run or clean; the exit status."""
    try:
        if arguments[:1] == ["run"]:
            return run(arguments[1:])
        if list(arguments) == ["clean"]:
            os.environ[RUN_VARIABLE] = ""
            return 0 if _sweep(Account.opened(os.environ, "")) else LEFT
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    print(__doc__, file=sys.stderr)
    return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
