"""``python3 -m local_stack.compose_env [--local]`` writes ``.env`` for docker-compose.yaml, with new secrets.

The file is ``.env.example`` with its secrets filled in, and with ``--local`` the connection to the embedded
AWS; one for AWS is left without a connection, which Compose asks for. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_stack import credentials
from local_stack.credentials import AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
from local_stack.settings import PROJECT

EXAMPLE = PROJECT / ".env.example"
LOCAL_AWS_URL = "http://local-aws:4566"
"""The embedded AWS in the containers' network."""


def values(*, local: bool) -> dict[str, str]:
    """Fresh secrets, and what the profile ``local`` takes."""
    made = credentials.generate()
    found = {
        "POSTGRES_PASSWORD": secrets.token_urlsafe(24),
        "VALKEY_PASSWORD": secrets.token_urlsafe(24),
        "AIRFLOW_ADMIN_PASSWORD": made.password,
        "AIRFLOW_FERNET_KEY": made.fernet_key,
        "AIRFLOW_JWT_SECRET": made.jwt_secret,
        "AIRFLOW_API_SECRET_KEY": secrets.token_urlsafe(48),
    }
    if local:
        connection = {
            "conn_type": "aws",
            "login": AWS_ACCESS_KEY_ID,
            "password": AWS_SECRET_ACCESS_KEY,
            "extra": {"endpoint_url": LOCAL_AWS_URL, "region_name": "us-east-1"},
        }
        found["AIRFLOW_CONN_AWS_DEFAULT"] = f"'{json.dumps(connection)}'"
        found["COMPOSE_PROFILES"] = "local"
    return found


def filled(example: str, found: Mapping[str, str]) -> str:
    """The example with values in the place of its empty or commented ones.

    :raises KeyError: the example lacks one.
    """
    for name, value in found.items():
        line = re.compile(rf"^#?{name}=.*$", re.MULTILINE)
        if not line.search(example):
            raise KeyError(name)
        # Split, since a value in a replacement would be read as a pattern's.
        before, after = line.split(example, maxsplit=1)
        example = f"{before}{name}={value}{after}"
    return example


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, unless there is one; the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m local_stack.compose_env", description=__doc__)
    parser.add_argument("--local", action="store_true", help="for the embedded AWS")
    parser.add_argument("--file", type=Path, default=PROJECT / ".env")
    options = parser.parse_args(arguments)
    if options.file.exists():
        print(f"{options.file} exists, and its database has its secrets; move it away first", file=sys.stderr)
        return 1
    credentials.write_private(options.file, filled(EXAMPLE.read_text(), values(local=options.local)))
    print(f"wrote {options.file}; Airflow's user is admin, the password AIRFLOW_ADMIN_PASSWORD in it")
    if not options.local:
        print("set AIRFLOW_CONN_AWS_DEFAULT in it: the connection to AWS")
    return 0


if __name__ == "__main__":
    sys.exit(main())
