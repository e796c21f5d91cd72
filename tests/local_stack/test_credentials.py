from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from local_stack import credentials
from local_stack.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_generated_once(settings: Settings) -> None:
    assert credentials.load(settings) == credentials.load(settings)


def test_two_stacks_share_no_secret(tmp_path: Path) -> None:
    one = vars(credentials.load(Settings(home=tmp_path / "one")))
    two = vars(credentials.load(Settings(home=tmp_path / "two")))
    assert not set(one.values()) & set(two.values())


def test_only_the_owner_reads_the_secrets(settings: Settings) -> None:
    os.umask(0)
    secrets = credentials.load(settings)
    files = [*(settings.home / "secrets").iterdir(), credentials.passwords_file(settings, secrets)]
    assert {mode(path) for path in files} == {0o600}


def test_a_file_that_others_could_read_is_replaced_by_one_they_cannot(tmp_path: Path) -> None:
    path = tmp_path / "local.env"
    path.write_text("old")
    path.chmod(0o644)
    credentials.write_private(path, "new")
    assert (path.read_text(), mode(path)) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_airflow_reads_the_password_from_its_file(settings: Settings) -> None:
    secrets = credentials.load(settings)
    path = credentials.passwords_file(settings, secrets)
    assert json.loads(path.read_text()) == {"admin": secrets.password}


def test_the_fernet_key_is_one(settings: Settings) -> None:
    assert len(base64.urlsafe_b64decode(credentials.load(settings).fernet_key)) == 32
