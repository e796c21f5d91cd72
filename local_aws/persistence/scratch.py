"""What a killed server left in its home: files of processes that are gone."""

from __future__ import annotations

import shutil
from pathlib import Path

OF_NODES = ("tmp", "warehouse", "work")
OF_JOBS = ("input/data", "code", "tmp", "model", "site-packages")


def reap(home: Path) -> None:
    """Remove working folders; logs stay. Whatever runs again makes its own anew."""
    for node in (home / "emr").glob("j-*"):
        _remove(node, OF_NODES)
    for job in (home / "sagemaker").glob("*"):
        if job.name != "endpoints":
            _remove(job, OF_JOBS)
    shutil.rmtree(home / "sagemaker" / "endpoints", ignore_errors=True)


def _remove(folder: Path, parts: tuple[str, ...]) -> None:
    for part in parts:
        shutil.rmtree(folder / part, ignore_errors=True)
