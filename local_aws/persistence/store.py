"""The folder of the state: a database for what changes often, a picture of the rest, files for long bodies.

``objects.db``
    SQLite: a row for each S3 key and each multipart upload, and for each request noted.
``world.pickle``
    All other state, written beside and renamed.
``bodies/<2 hex digits>/<SHA-256>``
    Bodies longer than ``INLINE_BYTES``, each written once, whoever shares it.
``unreadable-<time>/``
    A state that this version can't read, set aside.

What is written survives the end of the process however it comes. Files are brought to the disk before they
are named, but the database's last commits are not waited for: after a power cut the last fractions of a
second may be missing, as of the local stack's PostgreSQL.
https://www.sqlite.org/pragma.html#pragma_synchronous
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

INLINE_BYTES = 32 * 1024
PRIVATE = 0o700
TABLES = """
CREATE TABLE IF NOT EXISTS entries (
    kind TEXT, owner TEXT, name TEXT, value BLOB, PRIMARY KEY (kind, owner, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (seq INTEGER PRIMARY KEY, entry TEXT);
"""


@dataclass(frozen=True)
class Row:
    """A key or an upload: pickled, None when it is gone.

    :param kind: ``key`` or ``upload``.
    :param owner: its bucket.
    """

    kind: str
    owner: str
    name: str
    value: bytes | None


class Store:
    """One state folder; thread-safe.

    :raises sqlite3.DatabaseError: the database is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        folder.chmod(PRIVATE)
        (folder / "bodies").mkdir(exist_ok=True)
        self._queue: list[Row] = []
        self._requests: list[tuple[int, str]] = []
        self._queue_lock = threading.Lock()
        self._database_lock = threading.Lock()
        self._database = _open(folder / "objects.db")

    def close(self) -> None:
        """Write what waits, and let go of the files."""
        self.flush()
        self._database.close()

    # Keys, uploads and requests

    def queue(self, rows: Iterable[Row]) -> None:
        """Have rows written by the next ``flush``, in this order."""
        with self._queue_lock:
            self._queue += rows

    def queue_request(self, seq: int, entry: str) -> None:
        """Have a noted request written by the next ``flush``."""
        with self._queue_lock:
            self._requests.append((seq, entry))

    def flush(self) -> None:
        """Return once all rows queued before are durable; concurrent calls share a transaction."""
        with self._database_lock:
            with self._queue_lock:
                rows, self._queue = self._queue, []
                requests, self._requests = self._requests, []
            if rows or requests:
                self._write(rows, requests)

    def _write(self, rows: list[Row], requests: list[tuple[int, str]]) -> None:
        database = self._database
        database.execute("BEGIN")
        database.executemany(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)",
            [(row.kind, row.owner, row.name, row.value) for row in rows if row.value is not None],
        )
        # In order: a key may be written, gone and written again.
        last = {(row.kind, row.owner, row.name): row.value for row in rows}
        database.executemany(
            "DELETE FROM entries WHERE kind = ? AND owner = ? AND name = ?",
            [key for key, value in last.items() if value is None],
        )
        database.executemany("INSERT OR REPLACE INTO requests VALUES (?, ?)", requests)
        database.execute("COMMIT")

    def rows(self) -> Iterator[Row]:
        """Every key and upload."""
        with self._database_lock:
            found = self._database.execute("SELECT kind, owner, name, value FROM entries").fetchall()
        return (Row(*row) for row in found)

    def requests(self, last: int) -> list[str]:
        """The last noted requests, oldest first; older ones are forgotten."""
        with self._database_lock:
            newest = self._database.execute("SELECT max(seq) FROM requests").fetchone()[0] or 0
            self._database.execute("DELETE FROM requests WHERE seq <= ?", (newest - last,))
            found = self._database.execute("SELECT entry FROM requests ORDER BY seq").fetchall()
        return [row[0] for row in found]

    # The picture of the rest

    def write_world(self, content: bytes) -> None:
        """Replace the picture: readers of the next life see the old one or the new one."""
        write_file(self.folder / "world.pickle", content)

    def read_world(self) -> bytes | None:
        """The last picture, None in a new folder."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "world.pickle").read_bytes()
        return None

    # Bodies

    def keep_body(self, content: bytes) -> str:
        """Write a body unless it is there; its name."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._body(digest)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write_file(path, content)
        return digest

    def body(self, digest: str) -> bytes:
        """:raises FileNotFoundError: it was removed by hand."""
        return self._body(digest).read_bytes()

    def drop_bodies(self, but: set[str]) -> int:
        """Remove the bodies that nothing needs any more; how many."""
        dropped = [path for path in (self.folder / "bodies").glob("*/*") if path.name not in but]
        for path in dropped:
            path.unlink(missing_ok=True)
        return len(dropped)

    def _body(self, digest: str) -> Path:
        return self.folder / "bodies" / digest[:2] / digest

    # The whole

    def clear(self) -> None:
        """Forget everything."""
        with self._database_lock, self._queue_lock:
            self._queue, self._requests = [], []
            self._database.execute("DELETE FROM entries")
            self._database.execute("DELETE FROM requests")
        self.drop_bodies(set())
        (self.folder / "world.pickle").unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    # SQLite gives the files beside it the same mode.
    path.touch()
    path.chmod(0o600)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(TABLES)
    return database


def write_file(path: Path, content: bytes) -> None:
    """Write a file of the user's alone, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with open(unfinished, "wb", opener=_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def set_aside(folder: Path) -> Path:
    """Move a state that can't be read out of the way; where it is now."""
    aside = folder / f"unreadable-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    aside.mkdir(mode=PRIVATE)
    for path in [*folder.glob("objects.db*"), folder / "world.pickle", folder / "bodies"]:
        if path.exists():
            path.rename(aside / path.name)
    return aside
