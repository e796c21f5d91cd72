"""The conformance run, rehearsed against the embedded AWS as if that were an account."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import Mock

import pytest
import requests
from botocore.exceptions import ClientError

from tests.conformance import prices, report
from tests.conformance.account import TAG, Account, Consent, Refused
from tests.conformance.sweep import Sweep
from tests.local_aws.conftest import endpoint_url

__all__ = ["endpoint_url"]
pytestmark = pytest.mark.runtime

PROJECT = Path(__file__).resolve().parents[2]
MISBEHAVING = "tests/conformance/samples/misbehaving.py"
CONSENT = {
    "CONFORMANCE_ACCOUNT": "123456789012",
    "CONFORMANCE_REGION": "us-east-1",
    "CONFORMANCE_MAX_USD": "5",
}
KINDS = ("provisioned product", "product", "portfolio", "stack", "bucket", "user", "group", "role", "VPC")
LIMIT_SECONDS = 240


@pytest.fixture
def rehearsal(endpoint_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which boto3 takes an empty embedded AWS for AWS."""
    requests.post(f"{endpoint_url}/moto-api/reset", timeout=60).raise_for_status()
    added = {
        **CONSENT,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "CONFORMANCE_POLL_SECONDS": "0.05",
    }
    for name, value in added.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **added}


def start(environ: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.conformance", *arguments],
        cwd=PROJECT,
        env=dict(environ),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run(environ: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    process = start(environ, *arguments)
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    return process.returncode, output


def left_of_all_runs() -> list[str]:
    """What any run has left, as a sweep of all runs finds it."""
    return [str(found) for found in Sweep(Account.opened(os.environ, "")).find()]


def changing_calls(endpoint: str) -> set[str]:
    calls = requests.get(f"{endpoint}/_local/requests", timeout=10).json()
    return {call["operation"] for call in calls if not prices.READS.fullmatch(call["operation"] or "Get")}


@pytest.mark.parametrize("name", CONSENT)
def test_without_consent_nothing_is_called(rehearsal: dict[str, str], endpoint_url: str, name: str) -> None:
    del rehearsal[name]
    before = len(requests.get(f"{endpoint_url}/_local/requests", timeout=10).json())
    status, output = run(rehearsal, "run")
    assert status == 3
    assert name in output
    assert len(requests.get(f"{endpoint_url}/_local/requests", timeout=10).json()) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONFORMANCE_ACCOUNT", "yes"),
        ("CONFORMANCE_REGION", "somewhere"),
        ("CONFORMANCE_MAX_USD", "-1"),
        ("CONFORMANCE_MAX_USD", "inf"),
        ("CONFORMANCE_MAX_MINUTES", "0"),
    ],
)
def test_malformed_consent_is_none(name: str, value: str) -> None:
    with pytest.raises(Refused, match=name):
        Consent.of({**CONSENT, name: value})


def test_another_account_than_the_agreed_one_is_refused(rehearsal: dict[str, str], endpoint_url: str) -> None:
    status, output = run({**rehearsal, "CONFORMANCE_ACCOUNT": "210987654321"}, "run")
    assert status == 3
    assert "account 123456789012, the consent is for 210987654321" in output


def test_more_than_the_cap_is_refused_before_anything_is_made(rehearsal: dict[str, str]) -> None:
    status, output = run({**rehearsal, "CONFORMANCE_MAX_USD": "0.10"}, "run", MISBEHAVING)
    assert status == 3
    assert re.search(r"may cost \d\.\d\d USD, more than the 0\.10 of CONFORMANCE_MAX_USD", output)
    assert left_of_all_runs() == []


@pytest.fixture
def account(rehearsal: dict[str, str]) -> Account:
    return Account.opened(os.environ, "a1b2c3")


def test_what_has_no_price_is_not_sent(account: Account, endpoint_url: str) -> None:
    with pytest.raises(Refused, match=r"emr RunJobFlow .* not in tests/conformance/prices\.py"):
        account.client("emr").run_job_flow(Name=f"{account.prefix}cluster", Instances={})
    assert "RunJobFlow" not in changing_calls(endpoint_url)


def test_what_lacks_the_runs_name_is_not_sent(account: Account) -> None:
    for name in ("production", "conformance-ffffff-1-data"):
        with pytest.raises(Refused, match="lacks conformance-a1b2c3-"):
            account.client("cloudformation").delete_stack(StackName=name)


def test_what_is_made_has_the_runs_tag(account: Account) -> None:
    iam = account.client("iam")
    iam.create_user(UserName=f"{account.prefix}user")
    assert iam.list_user_tags(UserName=f"{account.prefix}user")["Tags"] == [{"Key": TAG, "Value": "a1b2c3"}]


def test_a_test_is_stopped_at_what_it_declared(account: Account) -> None:
    account.meter.limit_usd = 2.5 * prices.USD_PER_CALL["servicecatalog"]
    catalog = account.client("servicecatalog")
    catalog.list_portfolios()
    catalog.list_portfolios()
    with pytest.raises(Refused, match="would cost more"):
        catalog.list_portfolios()


def test_a_sweep_leaves_other_runs_and_everybody_else_alone(account: Account) -> None:
    iam = account.plain_client("iam")
    for name in ("conformance-a1b2c3-1-user", "conformance-d4e5f6-1-user", "conformity"):
        iam.create_user(UserName=name)
    gone, left = Sweep(account).run()
    assert (gone, left) == (["user conformance-a1b2c3-1-user"], [])
    assert {"conformance-d4e5f6-1-user", "conformity"} <= {u["UserName"] for u in iam.list_users()["Users"]}


def test_what_can_not_be_listed_is_told_and_the_rest_is_removed(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = account.plain_client("iam")
    iam.create_user(UserName=f"{account.prefix}user")
    refusal = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListBuckets")
    monkeypatch.setattr(account.plain_client("s3"), "list_buckets", Mock(side_effect=refusal))
    gone, left = Sweep(account).run()
    assert gone == [f"user {account.prefix}user"]
    assert all("ListBuckets" in line for line in left)
    assert len(left) == 2, "the objects and the buckets"


def test_a_run_that_conforms_says_so_by_operation_and_leaves_nothing(rehearsal: dict[str, str]) -> None:
    status, output = run(
        rehearsal, "run", "tests/local_aws/test_missing.py", "tests/local_aws/s3/test_conditional_writes.py"
    )
    assert status == 0, output
    assert re.search(r"^s3 +PutObject +conforms$", output, re.MULTILINE)
    assert re.search(r"^emr +RunJobFlow +not run +has no price", output, re.MULTILINE)
    assert re.search(r"^servicecatalog +ProvisionProduct +not run +no test", output, re.MULTILINE)
    assert "This was a rehearsal" in output
    assert "nothing is left" in output
    assert left_of_all_runs() == []


def test_a_difference_names_the_operation_and_how(rehearsal: dict[str, str]) -> None:
    status, output = run(rehearsal, "run", f"{MISBEHAVING}::test_is_told_something_else")
    assert status == 1
    assert re.search(
        r"^iam +GetUser +differs +test_is_told_something_else: .*'/' == '/else", output, re.MULTILINE
    )
    assert re.search(r"^iam +CreateUser +conforms$", output, re.MULTILINE)
    assert left_of_all_runs() == []


def test_what_the_run_refused_to_send_is_no_difference(rehearsal: dict[str, str]) -> None:
    status, output = run(rehearsal, "run", f"{MISBEHAVING}::test_calls_what_has_no_price")
    assert status == 1
    refused = r"^emr +RunJobFlow +not run +test_calls_what_has_no_price: Refused: .* not sent$"
    assert re.search(refused, output, re.MULTILINE)
    assert re.search(r"^iam +GetAccountSummary +conforms$", output, re.MULTILINE)
    assert "0 differs" in output


def test_what_a_test_leaves_behind_is_gone_before_the_next(rehearsal: dict[str, str]) -> None:
    status, output = run(rehearsal, "run", f"{MISBEHAVING}::test_leaves_all_behind")
    assert status == 0, output
    assert "removed " not in output, "the final sweep found nothing any more"
    assert left_of_all_runs() == []


def test_a_crash_leaves_nothing(rehearsal: dict[str, str]) -> None:
    status, output = run(rehearsal, "run", f"{MISBEHAVING}::test_crashes")
    assert status == 1
    for kind in (
        "provisioned product",
        "product",
        "portfolio",
        "stack",
        "bucket",
        "user",
        "group",
        "role",
        "VPC",
    ):
        assert re.search(rf"^removed {kind} ", output, re.MULTILINE), f"{kind}: {output}"
    assert left_of_all_runs() == []


def test_an_interruption_leaves_nothing(rehearsal: dict[str, str]) -> None:
    process = start_and_wait_until_all_is_made(rehearsal)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 2, output
    assert left_of_all_runs() == []


def test_the_time_limit_ends_a_run(rehearsal: dict[str, str]) -> None:
    status, output = run(
        {**rehearsal, "CONFORMANCE_MAX_MINUTES": "0.2"}, "run", f"{MISBEHAVING}::test_takes_for_ever"
    )
    assert status == 2
    assert "stopped after 0.2 minutes" in output
    assert left_of_all_runs() == []


def test_what_a_killed_run_left_is_removed_afterwards(rehearsal: dict[str, str]) -> None:
    process = start_and_wait_until_all_is_made(rehearsal)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
    )
    process.kill()
    for child in children.stdout.split():
        os.kill(int(child), signal.SIGKILL)
    process.communicate()
    assert left_of_all_runs() != []
    status, output = run(rehearsal, "clean")
    assert status == 0, output
    assert "nothing is left" in output
    assert left_of_all_runs() == []


def start_and_wait_until_all_is_made(environ: Mapping[str, str]) -> subprocess.Popen[str]:
    process = start(environ, "run", "--capture=no", f"{MISBEHAVING}::test_takes_for_ever")
    assert process.stdout is not None
    deadline = time.monotonic() + LIMIT_SECONDS
    while "everything is made" not in process.stdout.readline():
        assert time.monotonic() < deadline
        assert process.poll() is None
    return process


def test_every_operation_the_embedded_aws_plays_has_a_row() -> None:
    played = report.played_operations()
    assert {
        ("emr", "RunJobFlow"),
        ("servicecatalog", "ProvisionProduct"),
        ("sagemaker", "CreateDomain"),
    } <= played
    shown = {(row.service, row.operation) for row in report.rows(report.Results(), played)}
    assert shown == played


def test_the_tests_marked_conformance_use_nothing_that_only_the_embedded_aws_has() -> None:
    for path in (PROJECT / "tests" / "local_aws").rglob("test_*.py"):
        text = path.read_text()
        if "mark.conformance" in text:
            assert not re.search(r"endpoint_url|/_local|moto-api|123456789012|us-east-1[^\"]", text), (
                path.name
            )
