"""The pinned Java archives: what is there is checked, what is wrong is not used."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from unittest import mock

import pytest

from local_aws import jars
from local_aws.jars import Jar, JarUnavailable

CONTENT = b"an archive"
JAR = Jar("livy", "org.example:thing:1.0", hashlib.sha256(CONTENT).hexdigest())


def downloads(content: bytes) -> mock._patch[mock.Mock]:
    """A repository that has one archive of this content."""

    def download(jar: Jar, scratch: Path) -> Path:
        path = scratch / jar.file_name
        path.write_bytes(content)
        return path

    return mock.patch.object(jars, "_download", autospec=True, side_effect=download)


def test_the_lock_pins_livy_and_s3a_by_checksum() -> None:
    pinned = jars.pinned()
    coordinates = {jar.coordinate for jar in pinned}
    assert "org.apache.livy:livy-server:0.7.1-incubating" in coordinates
    assert "org.apache.hadoop:hadoop-aws:3.3.4" in coordinates
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in pinned)
    assert len({jar.path(Path()) for jar in pinned}) == len(pinned)


def test_a_missing_archive_is_brought(tmp_path: Path) -> None:
    with downloads(CONTENT):
        assert list(jars.bring([JAR], tmp_path)) == [JAR]
    assert JAR.is_in(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["livy"]


def test_an_archive_with_another_checksum_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with downloads(b"something else"), pytest.raises(JarUnavailable, match=r"not .* as pinned"):
        list(jars.bring([JAR], tmp_path))
    assert not JAR.path(tmp_path).exists()


def test_one_failure_does_not_keep_the_others_away(tmp_path: Path) -> None:
    wrong = Jar("livy", "org.example:other:1.0", "0" * 64)
    with downloads(CONTENT), pytest.raises(JarUnavailable, match=r"org\.example:other:1\.0"):
        list(jars.bring([wrong, JAR], tmp_path))
    assert JAR.is_in(tmp_path)


def test_a_damaged_archive_is_brought_again(tmp_path: Path) -> None:
    damaged = JAR.path(tmp_path)
    damaged.parent.mkdir()
    damaged.write_bytes(CONTENT[:3])
    assert not JAR.is_in(tmp_path)
    with downloads(CONTENT):
        list(jars.bring([JAR], tmp_path))
    assert JAR.is_in(tmp_path)
