"""Secrets of one stack: generated once, kept in files that only their owner reads."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from local_stack.settings import Settings

USER = "admin"
AWS_ACCESS_KEY_ID = "AKIALOCALSTACK000001"
"""Of the user that the embedded AWS has in every account (local_aws.iam.local_user)."""
AWS_SECRET_ACCESS_KEY = "embedded-aws-no-secret"  # noqa: S105 - any key that is not empty will do


@dataclass(frozen=True)
class Credentials:
    """What the stack's processes need to trust each other, and its one user to log in."""

    password: str
    fernet_key: str
    jwt_secret: str
    api_secret_key: str


def load(settings: Settings) -> Credentials:
    """The stack's secrets, generated at the first call."""
    path = settings.home / "secrets" / "stack.json"
    if not path.exists():
        write_private(path, json.dumps(asdict(generate()), indent=1))
    return Credentials(**json.loads(path.read_text()))


def passwords_file(settings: Settings, credentials: Credentials) -> Path:
    """The file from which Airflow's SimpleAuthManager reads passwords; Airflow generates and prints none."""
    path = settings.home / "secrets" / "simple_auth_manager_passwords.json"
    content = json.dumps({USER: credentials.password}) + "\n"
    if not path.exists() or path.read_text() != content:
        write_private(path, content)
    return path


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner can read, at no moment readable by others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    draft.replace(path)


def generate() -> Credentials:
    """New ones."""
    return Credentials(
        password=secrets.token_urlsafe(12),
        fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        jwt_secret=secrets.token_urlsafe(48),
        api_secret_key=secrets.token_urlsafe(32),
    )
