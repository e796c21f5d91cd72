"""What is staged to S3: files of ``include/``, each under a key made from its content.

The same content has the same key wherever and whenever it is staged, so staging twice uploads once, and a
key that exists never changes under its reader.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.partitions import PARTITIONS

INCLUDE_VARIABLE = "SAGEMAKER_EMR_INCLUDE"
_PLUGINS = Path(__file__).resolve().parents[1]
# Amazon MWAA has no folder beside plugins/: its plugins.zip holds include/ in it (local_stack.mwaa).
_INSIDE = _PLUGINS / "include"
_FOUND = _INSIDE if _INSIDE.is_dir() else _PLUGINS.parent / "include"
INCLUDE = Path(os.environ.get(INCLUDE_VARIABLE) or _FOUND).resolve()
"""Found from this file, in any deployment that keeps the project's layout; others name it in the variable."""

TEMPLATE_SUFFIXES = frozenset({".yaml", ".yml", ".json", ".template"})
ARCHIVE_NAME = "sourcedir.tar.gz"

_PLACEHOLDER = re.compile(r"@\{(\w+)\}")
_IGNORED = frozenset({"__pycache__", ".DS_Store"})


def include_path(relative: str) -> Path:
    """The file or folder below ``include/`` that a path like ``cfn/network.yaml`` names.

    :raises InvalidInput: it does not exist, or lies outside ``include/``.
    """
    path = (INCLUDE / relative.removeprefix("include/")).resolve()
    if not path.is_relative_to(INCLUDE):
        raise InvalidInput(
            f"{relative} can't be used", reason="only files below include/ are staged or deployed"
        )
    if not path.exists():
        raise InvalidInput(f"{relative} does not exist", reason=f"looked in {INCLUDE}")
    return path


def key_prefix(path: Path) -> str:
    """``code/`` and the folder below ``include/``: ``include/spark/x.py`` and ``include/spark`` share one."""
    folder = path if path.is_dir() else path.parent
    return str(PurePosixPath("code", *folder.relative_to(INCLUDE).parts))


def content_hash(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def content_key(prefix: str, data: bytes, name: str) -> str:
    """``<prefix>/<sha256>/<name>``."""
    return f"{prefix.strip('/')}/{content_hash(data)}/{name}"


def pack_directory(path: Path) -> bytes:
    """A ``tar.gz`` of a folder's files that is the same, byte for byte, whenever and wherever it is made.

    Sorted, without times, owners or umask; an executable file stays executable.
    """
    files = sorted(
        file for file in path.rglob("*") if file.is_file() and not _IGNORED.intersection(file.parts)
    )
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file in files:
            data = file.read_bytes()
            member = tarfile.TarInfo(file.relative_to(path).as_posix())
            member.size = len(data)
            member.mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(tarred.getvalue(), mtime=0)


def fill_in(text: str, values: Mapping[str, str], name: str) -> str:
    """Replace each ``@{key}`` of a template by its value; CloudFormation gives that form no meaning.

    :raises InvalidInput: a placeholder has no value.
    """
    missing = sorted(set(_PLACEHOLDER.findall(text)) - set(values))
    if missing:
        raise InvalidInput(
            f"{name} can't be staged",
            reason=f"no value for its placeholders {', '.join(missing)}",
            next_step="Give them as substitutions, or stage the files they stand for before it.",
        )
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def https_url(bucket: str, key: str, region: str, partition: str) -> str:
    """The form CloudFormation and Service Catalog take a template's address in."""
    return f"https://{bucket}.s3.{region}.{PARTITIONS[partition].url_suffix}/{key}"
