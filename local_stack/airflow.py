"""Airflow's whole configuration, as environment variables: no airflow.cfg, one place."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from local_stack import credentials
from local_stack.credentials import Credentials
from local_stack.processes import MEMBER_VARIABLE
from local_stack.settings import HOME_VARIABLE, LOOPBACK, PROJECT, REGION_VARIABLE, Settings

AWS_ACCESS_KEY_ID = credentials.AWS_ACCESS_KEY_ID
AWS_SECRET_ACCESS_KEY = credentials.AWS_SECRET_ACCESS_KEY
POOLS = {
    "spark_batches": (16, "Spark batches on shared clusters, waiting ones included (prepare_features)"),
}
"""Airflow pools by name: slots and description. A task whose pool does not exist is never started."""

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def environment(settings: Settings, secrets: Credentials, database: Path) -> dict[str, str]:
    """The environment of every process of the stack.

    :param database: the folder with PostgreSQL's socket.
    """
    return {
        **_inherited(os.environ),
        **aws(settings),
        **client(settings, secrets, database),
        **_server(settings, secrets),
        HOME_VARIABLE: str(settings.home),
        MEMBER_VARIABLE: str(settings.home),
        "AIRFLOW_PORT": str(settings.airflow_port),
        "LOCAL_AWS_PORT": str(settings.local_aws_port),
        REGION_VARIABLE: settings.region,
        "LOCAL_AWS_HOME": str(settings.home / "local_aws"),
        # Longer than it takes until a killed worker is missed and its task tried again.
        "LOCAL_AWS_LEAST_IDLE_SECONDS": "240",
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(PROJECT),
        # Airflow's processes rename themselves; without this the new name overwrites the mark above in /proc.
        "SPT_NOENV": "1",
        # Logs are files: lines must be there when something goes wrong.
        "PYTHONUNBUFFERED": "1",
    }


def aws(settings: Settings) -> dict[str, str]:
    """Points boto3, the AWS CLI and the cluster's Spark driver at the embedded AWS."""
    return {
        "AWS_ENDPOINT_URL": settings.aws_url,
        "AWS_ACCESS_KEY_ID": AWS_ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": AWS_SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        # No search for an instance role on 169.254.169.254, and nothing of the user's own AWS profile.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def client(settings: Settings, secrets: Credentials, database: Path) -> dict[str, str]:
    """What the ``airflow`` command needs to work on the running stack; part of ``local.env``."""
    host = quote(str(database), safe="")
    connection = {
        "conn_type": "aws",
        "login": AWS_ACCESS_KEY_ID,
        "password": AWS_SECRET_ACCESS_KEY,
        "extra": {"endpoint_url": settings.aws_url, "region_name": settings.region},
    }
    return {
        "AIRFLOW_HOME": str(settings.home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # A paused DAG would take a newcomer's trigger and never run. The one with a daily schedule says
        # itself that it begins paused.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__FERNET_KEY": secrets.fernet_key,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://postgres@/airflow?host={host}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://postgres@/airflow?host={host}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(settings.home / "airflow" / "logs"),
        # The one connection of the product: on AWS it is the same without endpoint_url and keys.
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
    }


def _server(settings: Settings, secrets: Credentials) -> dict[str, str]:
    return {
        **_security(settings, secrets),
        **_timing(),
        "AIRFLOW__CORE__PARALLELISM": str(settings.task_slots),
        # The machine's full name may need a DNS server that is slow or absent.
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__API__WORKERS": "1",
        # Every copy of a component's pool is a PostgreSQL process.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "2",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(
            settings.home / "airflow" / "logs" / "dag_processor"
        ),
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _security(settings: Settings, secrets: Credentials) -> dict[str, str]:
    return {
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__BASE_URL": settings.airflow_url,
        "AIRFLOW__API__SECRET_KEY": secrets.api_secret_key,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.jwt_secret,
        "AIRFLOW__API_AUTH__JWT_ISSUER": settings.airflow_url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{settings.airflow_url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{credentials.USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(
            credentials.passwords_file(settings, secrets)
        ),
        # Binds 0.0.0.0 unless told otherwise; nobody asks it here.
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    }


def _timing() -> dict[str, str]:
    """Defaults are for fleets; here one run's task should start when its predecessor ends."""
    return {
        # Between two looks for something to schedule; each look costs about 15 ms here.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        # A machine that is busy with Spark answers late; a task that gives up on the API server fails.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
        # A task whose worker is gone is tried again after a minute instead of five.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        # New DAG files show up within seconds; changed ones are noticed by their modification time.
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "2",
    }


def _inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The user's environment without what would lead the stack astray.

    Proxies: everything the stack talks to is on loopback. Airflow's and AWS's variables: the stack sets its
    own, and a stray profile or airflow.cfg must not reach it.
    """
    return {
        name: value
        for name, value in environ.items()
        if name.lower() not in _PROXIES
        and not name.startswith(("AIRFLOW_", "AIRFLOW__", "AWS_", "_AIRFLOW"))
        and name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
