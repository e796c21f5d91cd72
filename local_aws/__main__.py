"""``python -m local_aws``: run the server until it is told to stop, or until its parent is gone."""

from __future__ import annotations

import os

import click

from local_aws import keeper
from local_aws.settings import PORT_VARIABLE, STATE_VARIABLE


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--port", type=click.IntRange(1, 65535), default=4566, envvar=PORT_VARIABLE, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--state", type=click.Path(), envvar=STATE_VARIABLE, help="A folder to keep the state in.")
@click.option("--with-parent", is_flag=True, help="End when the process that started this one ends.")
def main(port: int, host: str, state: str | None, with_parent: bool) -> None:
    """Start the keeper, which starts the server."""
    parent = os.getppid() if with_parent else None
    arguments = ["--host", host, "--port", str(port), *(["--state", state] if state else [])]
    raise SystemExit(keeper.run(arguments, parent=parent))


main(prog_name="python -m local_aws")
