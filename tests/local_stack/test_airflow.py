from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from local_stack import airflow, credentials, stack
from local_stack.processes import MEMBER_VARIABLE
from local_stack.settings import PROJECT, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, airflow_port=18080, local_aws_port=14566)


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    return airflow.environment(settings, credentials.load(settings), settings.home / "postgres")


def test_everything_listens_on_loopback(environment: dict[str, str]) -> None:
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environment["AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK"] == "False"


def test_the_connection_differs_from_the_one_on_aws_by_endpoint_and_keys_only(
    environment: dict[str, str],
) -> None:
    connection = json.loads(environment["AIRFLOW_CONN_AWS_DEFAULT"])
    assert connection["conn_type"] == "aws"
    assert connection["extra"] == {"endpoint_url": "http://127.0.0.1:14566", "region_name": "us-east-1"}


@pytest.mark.parametrize(
    "variable",
    [
        "HTTPS_PROXY",
        "http_proxy",
        "AWS_PROFILE",
        "AWS_CA_BUNDLE",
        "AIRFLOW__CORE__EXECUTOR",
        "AIRFLOW_CONFIG",
    ],
)
def test_what_would_lead_the_stack_astray_is_not_inherited(
    variable: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "stray")
    made = airflow.environment(settings, credentials.load(settings), settings.home)
    assert made.get(variable) != "stray"


def test_the_users_other_variables_reach_the_stack(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_AWS_TIME_SCALE", "120")
    made = airflow.environment(settings, credentials.load(settings), settings.home)
    assert made["LOCAL_AWS_TIME_SCALE"] == "120"


def test_a_stack_of_its_own_keeps_everything_in_its_home(
    environment: dict[str, str], settings: Settings
) -> None:
    home = str(settings.home)
    assert environment["AIRFLOW_HOME"].startswith(home)
    assert environment["LOCAL_AWS_HOME"].startswith(home)
    assert environment[MEMBER_VARIABLE] == home


def test_a_socket_path_with_any_character_survives_the_connection_string(settings: Settings) -> None:
    variables = airflow.client(settings, credentials.load(settings), Path("/a b/c&d?e"))
    assert variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("?host=%2Fa%20b%2Fc%26d%3Fe")


def test_sourcing_the_env_file_points_a_shell_at_the_stack(settings: Settings, tmp_path: Path) -> None:
    stack.write_env_file(settings, tmp_path / "postgres")
    script = f'source {settings.env_file}; echo "$AWS_ENDPOINT_URL"; command -v airflow aws; env'
    output = subprocess.run(
        ["bash", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert output[0] == settings.aws_url
    assert all(line.startswith(str(PROJECT / ".venv" / "bin")) for line in output[1:3])
    assert not any(line.startswith(MEMBER_VARIABLE) for line in output)
    assert settings.env_file.stat().st_mode & 0o077 == 0


def test_the_stack_calls_as_the_user_that_the_embedded_aws_knows() -> None:
    from local_aws.iam import local_user

    assert airflow.AWS_ACCESS_KEY_ID == local_user.ACCESS_KEY_ID
