"""docker-compose.yaml, Dockerfile and .env.example hold what they promise; no Docker engine is asked."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack import airflow, compose_env, credentials
from local_stack.settings import PROJECT, Settings

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
EXAMPLE = (PROJECT / ".env.example").read_text()

AIRFLOW = {"api-server", "scheduler", "dag-processor", "triggerer", "worker"}
LOCAL = {"local-aws", "feed"}
ONCE = {"init"}
VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?P<rest>[^}]*)\}")
SECRET = re.compile(r"PASSWORD|SECRET|FERNET_KEY|AIRFLOW_CONN_")

every_service = pytest.mark.parametrize("name", SERVICES)


def text_of(service: dict[str, Any]) -> str:
    return yaml.safe_dump(service, width=10_000)


def test_airflow_database_broker_and_the_embedded_aws_are_there() -> None:
    assert set(SERVICES) == AIRFLOW | LOCAL | ONCE | {"postgres", "valkey"}
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["local"]} == LOCAL


@every_service
def test_ports_are_published_on_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert str(port).startswith("127.0.0.1:"), port


@every_service
def test_a_service_that_stays_has_a_health_check_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert service["restart"] == "no"
    else:
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"


@every_service
def test_each_service_has_limits(name: str) -> None:
    assert set(SERVICES[name]["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}


@every_service
def test_only_the_embedded_aws_starts_as_root_and_it_drops_that(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    if name == "local-aws":
        assert service["cap_add"] == ["NET_ADMIN", "SETGID", "SETUID"]
        assert service["command"][:5] == ["python", "-m", "local_aws.routing", "--user", "airflow"]
    else:
        assert service["user"] not in ("root", "0", 0)
        assert "cap_add" not in service


@every_service
def test_every_image_can_be_replaced(name: str) -> None:
    assert re.fullmatch(r"\$\{[A-Z_]+_IMAGE:-[\w./-]+:[\w.]+\}", SERVICES[name]["image"])


def test_every_stage_of_the_build_comes_from_the_base_image() -> None:
    assert re.findall(r"^ARG (BASE_IMAGE)=\S+:[\w.-]+$", DOCKERFILE, re.MULTILINE) == ["BASE_IMAGE"]
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert len(stages) == len(re.findall(r"^FROM ", DOCKERFILE, re.MULTILINE))
    known = {"${BASE_IMAGE}"}
    for parent, stage in stages:
        assert parent in known, stage
        known.add(stage)
    for service in SERVICES.values():
        if "build" in service:
            assert service["build"]["args"]["BASE_IMAGE"].startswith("${BASE_IMAGE:-")
            assert service["build"]["target"] in known


def test_the_stages_that_run_are_not_roots() -> None:
    for target in ("airflow", "local-aws"):
        stage = DOCKERFILE.split(f" AS {target}\n", 1)[1].split("\nFROM ", 1)[0]
        assert re.findall(r"^USER (\S+)$", stage, re.MULTILINE)[-1] == "airflow"


def test_packages_are_installed_by_hash() -> None:
    installs = re.findall(r"pip install (.*)$", DOCKERFILE, re.MULTILINE)
    assert installs
    assert all("--require-hashes" in line for line in installs)


def test_no_secret_has_a_default() -> None:
    text = (PROJECT / "docker-compose.yaml").read_text()
    found = {match["name"]: [] for match in VARIABLE.finditer(text) if SECRET.search(match["name"])}
    for match in VARIABLE.finditer(text):
        if match["name"] in found:
            found[match["name"]].append(match["rest"])
    assert set(found) == {
        "AIRFLOW_ADMIN_PASSWORD",
        "AIRFLOW_API_SECRET_KEY",
        "AIRFLOW_CONN_AWS_DEFAULT",
        "AIRFLOW_FERNET_KEY",
        "AIRFLOW_JWT_SECRET",
        "POSTGRES_PASSWORD",
        "VALKEY_PASSWORD",
    }
    for name, uses in found.items():
        assert uses
        assert all(use.startswith(":?is not set") for use in uses), name


@pytest.mark.parametrize("name", sorted(set(SERVICES) - LOCAL))
def test_no_secret_is_written_down(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if SECRET.search(variable) or ("://" in str(value) and "@" in str(value)):
            assert VARIABLE.search(str(value)), variable


def test_airflow_is_set_up_the_same_in_each_of_its_services() -> None:
    environment = SERVICES["api-server"]["environment"]
    for name in AIRFLOW:
        assert SERVICES[name]["environment"] == environment
    assert {**SERVICES["init"]["environment"]}.items() >= environment.items()


DIFFERENT = {
    # other programs, places and secrets
    "AIRFLOW_CONN_AWS_DEFAULT",
    "AIRFLOW__API_AUTH__JWT_ISSUER",
    "AIRFLOW_HOME",  # of the image
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__API__BASE_URL",
    "AIRFLOW__API__HOST",  # all of the container, which publishes on loopback
    "AIRFLOW__API__PORT",
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__CORE__DAGS_FOLDER",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__CORE__EXECUTOR",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__CORE__PLUGINS_FOLDER",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
    "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY",
    # users in the database instead of a file
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS",
    # sized for one laptop
    "AIRFLOW__CORE__PARALLELISM",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME",
}


def test_airflow_behaves_as_in_the_local_stack(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    local = airflow.environment(settings, credentials.load(settings), tmp_path)
    here = SERVICES["api-server"]["environment"]
    agreeing = {name for name in local if name.startswith("AIRFLOW_")} - DIFFERENT - {"AIRFLOW_PORT"}
    assert {name: here.get(name) for name in agreeing} == {name: local[name] for name in agreeing}


def test_dags_plugins_and_include_lie_side_by_side() -> None:
    for name in AIRFLOW | ONCE:
        mounts = dict(volume.split(":", 1) for volume in SERVICES[name]["volumes"])
        for folder in ("dags", "plugins", "include"):
            assert mounts[f"./{folder}"] == f"/opt/airflow/{folder}:ro"
            assert f"COPY {folder} /opt/airflow/{folder}\n" in DOCKERFILE


def test_what_waits_for_the_embedded_aws_does_without_it_too() -> None:
    for name in AIRFLOW:
        assert SERVICES[name]["depends_on"]["local-aws"] == {
            "condition": "service_healthy",
            "required": False,
        }


def test_containers_and_clusters_share_the_network_without_overlap() -> None:
    from ipaddress import IPv4Network

    def default(text: str) -> IPv4Network:
        match = re.search(r"\$\{[A-Z_]+:-([\d./]+)\}", text)
        assert match
        return IPv4Network(match[1])

    (config,) = COMPOSE["networks"]["airflow"]["ipam"]["config"]
    network, containers = default(config["subnet"]), default(config["ip_range"])
    environment = SERVICES["local-aws"]["environment"]
    clusters = default(environment["LOCAL_AWS_CLUSTER_ADDRESSES"])
    assert default(environment["LOCAL_AWS_SOURCES"]) == containers
    assert containers.subnet_of(network)
    assert clusters.subnet_of(network)
    assert not clusters.overlaps(containers)


def test_each_setting_of_the_project_comes_from_env_into_every_part_of_airflow() -> None:
    files = (PROJECT / "plugins" / "sagemaker_emr").rglob("*.py")
    settings = {name for file in files for name in re.findall(r'"(SAGEMAKER_EMR_[A-Z_]+)"', file.read_text())}
    settings -= {"SAGEMAKER_EMR_INCLUDE"}  # include/ is where the package looks for it
    assert len(settings) > 4
    for name in AIRFLOW:
        environment = SERVICES[name]["environment"]
        assert {one: environment.get(one) for one in settings} == {one: f"${{{one}:-}}" for one in settings}


def test_the_example_names_every_variable_and_no_other() -> None:
    used = {match["name"] for match in VARIABLE.finditer((PROJECT / "docker-compose.yaml").read_text())}
    named = set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert named - {"COMPOSE_PROFILES"} == used - {"LOCAL_AWS_TIME_SCALE"}


def test_the_example_has_the_defaults_of_the_compose_file() -> None:
    text = (PROJECT / "docker-compose.yaml").read_text()
    defaults = {m["name"]: m["rest"][2:] for m in VARIABLE.finditer(text) if m["rest"].startswith(":-")}
    shown = dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    del shown["COMPOSE_PROFILES"], shown["BUILD_CA_FILE"]
    assert {name: defaults[name] for name in shown} == shown


def values(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("local", [True, False], ids=["embedded AWS", "AWS"])
def test_the_secrets_are_made_by_one_command(local: bool, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert compose_env.main([*(["--local"] if local else []), "--file", str(file)]) == 0
    made = values(file)
    connection = made.pop("AIRFLOW_CONN_AWS_DEFAULT")
    assert bool(connection) is local
    assert made.pop("COMPOSE_PROFILES", "") == ("local" if local else "")
    assert all(len(value) >= 16 for value in made.values())
    assert len(set(made.values())) == len(made)
    assert re.fullmatch(r"[\w-]+", made["POSTGRES_PASSWORD"] + made["VALKEY_PASSWORD"])
    assert len(made["AIRFLOW_JWT_SECRET"]) == 64
    assert file.stat().st_mode & 0o077 == 0


def test_secrets_in_use_are_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert compose_env.main(["--file", str(file)]) == 0
    before = file.read_text()
    assert compose_env.main(["--file", str(file)]) == 1
    assert file.read_text() == before


def test_git_ignores_the_secrets() -> None:
    subprocess.run(["git", "check-ignore", "--quiet", ".env"], cwd=PROJECT, check=True)


def test_no_secret_and_no_environment_goes_into_an_image() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert not [line for line in lines if line.startswith("!") and ("env" in line or "var" in line)]
