"""Java archives without Java's build tools: pinned, checked, and brought in parallel.

``requirements/jars.toml`` names each archive by its Maven coordinate with its SHA-256, in one section for
each class path. ``python -m local_aws.jars`` makes ``settings.jars/<section>/`` hold exactly those.
An archive appears under its name only when it is whole and its checksum is right, so an interrupted run
goes on where it stopped, and a complete directory costs a look at each file.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from local_aws.settings import PROJECT, settings

LOCK = PROJECT / "requirements" / "jars.toml"
PARALLEL_DOWNLOADS = 8
ATTEMPTS = 3
TIMEOUT_SECONDS = 60


class JarUnavailable(RuntimeError):
    """An archive could not be brought, or is not the one that was pinned."""


@dataclass(frozen=True)
class Jar:
    """One pinned archive.

    :param section: the class path it belongs to.
    :param coordinate: ``group:artifact:version``.
    """

    section: str
    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The archive's file name in a Maven repository."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"

    def path(self, directory: Path) -> Path:
        """Where it is kept under ``directory``."""
        return directory / self.section / self.file_name

    def is_in(self, directory: Path) -> bool:
        """Whether ``directory`` has it, whole and unchanged."""
        path = self.path(directory)
        return path.is_file() and _sha256(path) == self.sha256


def pinned(lock: Path = LOCK) -> list[Jar]:
    """The archives of a lock file."""
    sections = tomllib.loads(lock.read_text())
    return [
        Jar(section, coordinate, sha256)
        for section, jars in sections.items()
        for coordinate, sha256 in jars.items()
    ]


def class_path(section: str) -> list[Path]:
    """The archives of one class path, in the lock file's order.

    :raises JarUnavailable: one is not there.
    """
    paths = [jar.path(settings.jars) for jar in pinned() if jar.section == section]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise JarUnavailable(f"{missing[0]} is not in {settings.jars}: run python -m local_aws.jars.")
    return paths


def bring(jars: list[Jar], directory: Path) -> Iterator[Jar]:
    """Bring what is missing; yields each archive as it arrives.

    :raises JarUnavailable: the first that could not be brought, once the others have arrived.
    """
    failed: JarUnavailable | None = None
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        downloads = {pool.submit(_bring, jar, directory): jar for jar in jars}
        for download in as_completed(downloads):
            try:
                download.result()
            except JarUnavailable as unavailable:
                failed = failed or unavailable
            else:
                yield downloads[download]
    if failed:
        raise failed


def _bring(jar: Jar, directory: Path) -> None:
    target = jar.path(directory)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".download-") as scratch:
        downloaded = _download(jar, Path(scratch))
        if (found := _sha256(downloaded)) != jar.sha256:
            raise JarUnavailable(f"{jar.coordinate} has SHA-256 {found}, not {jar.sha256} as pinned.")
        downloaded.replace(target)


def _download(jar: Jar, scratch: Path) -> Path:
    from jgo.maven import MavenContext  # a second to import, which a complete directory need not pay

    group, artifact, version = jar.coordinate.split(":")
    for attempt in range(1, ATTEMPTS + 1):
        repository = scratch / str(attempt)
        context = MavenContext(repo_cache=repository, timeout=TIMEOUT_SECONDS)
        try:
            return Path(context.project(group, artifact).at_version(version).artifact().resolve())
        except (OSError, RuntimeError) as error:  # what requests and jgo raise
            if attempt == ATTEMPTS:
                raise JarUnavailable(f"{jar.coordinate}: {error}") from error
            time.sleep(attempt)
    raise AssertionError


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """Make ``settings.jars`` complete; a line for each archive brought."""
    jars = pinned()
    settings.jars.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not jar.is_in(settings.jars)]
    try:
        for count, jar in enumerate(bring(missing, settings.jars), 1):
            print(f"jars: {count}/{len(missing)} {jar.file_name}", flush=True)
    except JarUnavailable as unavailable:
        print(f"jars: {unavailable}", file=sys.stderr)
        return 1
    print(f"jars: {len(jars)} archives in {settings.jars}, {len(missing)} brought", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
