"""The server's own process, below the keeper."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import click

from local_aws import address, keeper, persistence
from local_aws.processes import stop_all


@click.command()
@click.option("--host", required=True)
@click.option("--port", type=int, required=True)
@click.option("--keeper", "keeper_pid", type=int, required=True)
@click.option("--state", type=click.Path(path_type=Path))
def main(host: str, port: int, keeper_pid: int, state: Path | None) -> None:
    """Serve until a signal comes or the keeper is gone; leave no child behind."""
    for number in keeper.SIGNALS:
        signal.signal(number, _exit)
    keeper.become_subreaper()
    keeper.watch(keeper_pid, lambda: os.kill(os.getpid(), signal.SIGTERM))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("werkzeug", "botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        _serve(host, port, state)
    finally:
        for number in keeper.SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        stop_all()
        keeper.kill_descendants()


def _serve(host: str, port: int, state: Path | None) -> None:
    try:
        address.check(host, port)
    except (address.AddressRefused, address.PortInUse) as error:
        raise click.ClickException(str(error)) from None
    # Importing moto takes seconds: not before the address is known to be good.
    from local_aws.cloudformation import schemas
    from local_aws.server import create_server

    server = create_server(host, port, state)
    with contextlib.closing(_Stopping(server)):
        server.prepare()
        schemas.preload()
        logging.getLogger(__name__).info("Listening on http://%s:%d", host, port)
        server.serve()


class _Stopping:
    def __init__(self, server: object) -> None:
        self._server = server

    def close(self) -> None:
        self._server.stop()  # type: ignore[attr-defined]


def _exit(number: int, frame: FrameType | None) -> None:
    persistence.freeze()
    sys.exit(0)


if __name__ == "__main__":
    main(prog_name="python -m local_aws")
