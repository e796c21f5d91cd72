"""Every command that the documentation shows is run by a test, or says why not; the cheap ones run here."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from local_aws.iam.local_user import ACCESS_KEY_ID
from tests.docs.commands import COMMANDS, NotRun, Run
from tests.docs.shown import PAGES, PROJECT, blocks, commands, commands_of
from tests.local_aws.conftest import endpoint_url, make_client

__all__ = ["endpoint_url", "make_client"]

NAMES = [str(page.relative_to(PROJECT)) for page in PAGES]
BIN = Path(sys.executable).parent
LIMIT_SECONDS = 600

CURL = """#!{python}
# The part of curl that the documentation uses; a fresh machine has none.
import sys, requests
arguments, method, body = sys.argv[1:], None, None
address = ""
while arguments:
    word = arguments.pop(0)
    if word == "-X":
        method = arguments.pop(0)
    elif word == "-d":
        body = arguments.pop(0)
    else:
        assert not word.startswith("-") and not address, word
        address = word
answer = requests.request(method or ("POST" if body else "GET"), address, data=body, timeout=60)
print(answer.text)
sys.exit(22 * (not answer.ok))
"""


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_a_page_has_a_row(name: str) -> None:
    missing = [one for one in commands(PROJECT / name) if one not in COMMANDS.get(name, {})]
    assert missing == [], "say in tests/docs/commands.py what runs it"


def test_every_row_is_of_a_command_that_is_shown() -> None:
    shown = {name: set(commands(PROJECT / name)) for name in NAMES}
    rows = [(name, one) for name, those in COMMANDS.items() if name in shown for one in those]
    assert [row for row in rows if row[1] not in shown[row[0]]] == []


def test_what_runs_a_command_exists() -> None:
    named = set()
    for row in (row for name, rows in COMMANDS.items() if name in NAMES for row in rows.values()):
        named.add(row.by if isinstance(row, Run) else row.closest)
    named.discard("")
    assert [one for one in sorted(named) if not exists(one)] == []


def exists(node_id: str) -> bool:
    """Whether a test, or a file of tests, is there."""
    path, _, name = node_id.partition("::")
    if not (PROJECT / path).is_file():
        return False
    functions = [
        one for one in ast.walk(ast.parse((PROJECT / path).read_text())) if isinstance(one, ast.FunctionDef)
    ]
    return not name or name in {one.name for one in functions}


def test_what_is_not_run_says_why() -> None:
    rows = [row for rows in COMMANDS.values() for row in rows.values() if isinstance(row, NotRun)]
    assert all(len(row.why.split()) > 2 for row in rows)


def test_each_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = {
        (name, target)
        for name, page in zip(NAMES, PAGES, strict=True)
        for code in [*re.findall(r"`([^`\n]+)`", page.read_text()), *commands(page)]
        for target in re.findall(r"(?:^|\s)make ([a-z-]+)", code)
    }
    assert len(named) > 20
    assert sorted(one for one in named if one[1] not in targets) == []


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("make up   # starts it\n\nmake down\n", ["make up", "make down"]),
        ("a \\\n  b\nc |\n  d\n", ["a b", "c | d"]),
        ("curl -d '{\n  \"x\": 1}'\n", ["curl -d '{ \"x\": 1}'"]),
        ("echo 'never\n", None),
    ],
)
def test_commands_are_told_apart_as_bash_does(block: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="no command"):
            list(commands_of(block))
    else:
        assert list(commands_of(block)) == expected


def test_airflow_understands_its_commands() -> None:
    """Their options, by Airflow's parser; tests/system/test_backfills.py backfills through the API."""
    from airflow.cli.cli_parser import get_parser

    parser = get_parser()
    understood = []
    for rows in COMMANDS.values():
        for command in (one for one in rows if one.startswith("airflow ")):
            understood.append(parser.parse_args(shlex.split(command)[1:]))
    backfills = [one for one in understood if getattr(one, "max_active_runs", None)]
    assert ("prepare_features", 4) in {(one.dag_id, one.max_active_runs) for one in backfills}


@pytest.fixture
def shell(endpoint_url: str, tmp_path: Path) -> Callable[[str], str]:
    """Runs a block in bash as somebody does who has read ``local.env``; what it printed."""
    requests.post(f"{endpoint_url}/moto-api/reset", timeout=60).raise_for_status()
    curl = tmp_path / "curl"
    curl.write_text(CURL.format(python=sys.executable))
    curl.chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "PATH": f"{tmp_path}:{BIN}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_PAGER": "",
    }

    def run(block: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def block_with(page: str, text: str) -> str:
    """The one block of a page that has the text."""
    (found,) = [block for block in blocks(PROJECT / page) if text in block]
    return found


@pytest.mark.local_aws
@pytest.mark.timeout(2 * LIMIT_SECONDS)
def test_the_faults_are_played_and_told_by_the_commands_shown(shell: Any, endpoint_url: str) -> None:
    block = block_with("docs/reliability.md", "_local/faults")
    set_up, _, _ = block.partition("curl $AWS_ENDPOINT_URL/_local/faults ")
    shell(set_up)
    kinds = {
        rule["kind"] for rule in requests.get(f"{endpoint_url}/_local/faults", timeout=10).json()["rules"]
    }
    assert "response_lost" in kinds
    shell(block)
    assert requests.get(f"{endpoint_url}/_local/faults", timeout=10).json()["rules"] == []


@pytest.mark.local_aws
@pytest.mark.timeout(2 * LIMIT_SECONDS)
def test_the_aws_commands_of_the_tutorial_list_what_is_there(shell: Any, make_client: Any) -> None:
    make_client("s3").create_bucket(Bucket="seen-by-the-tutorial")
    shown = [one for one in COMMANDS["docs/tutorial.md"] if one.startswith("aws ")]
    told = shell("\n".join(shown))
    assert "seen-by-the-tutorial" in told
    assert '"Clusters": []' in told
