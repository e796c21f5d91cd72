"""``python -m local_stack up|down|demo|status``; the Makefile calls it."""

from __future__ import annotations

import json
import signal
import sys
import time

import click

from local_stack import components, credentials, processes, stack, state
from local_stack.settings import Settings, StackError


class _Commands(click.Group):
    """Turns the stack's own errors into a message and exit status 1."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except StackError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands)
def main() -> None:
    """The stack on this machine: Airflow, PostgreSQL and an embedded AWS."""


@main.command()
def up() -> None:
    """Start everything; return when it answers."""
    settings = Settings()
    started = stack.up(settings, _say)
    what = "already up" if started.was_running else f"up after {started.seconds:.0f} s"
    click.echo(f"{what}\n{_access(settings)}")


@main.command()
def down() -> None:
    """Stop everything; return when no process is left."""
    begun = time.monotonic()
    count = stack.down(Settings(), _say)
    if count:
        click.echo(f"stopped {count} processes in {time.monotonic() - begun:.0f} s")
    else:
        click.echo("nothing was running")


@main.command()
@click.option(
    "--conf", default="{}", help="The run's params as JSON, as far as they differ from the defaults."
)
def demo(conf: str) -> None:
    """Run the whole chain, live; stop everything unless it ran before."""
    from local_stack.demo import Demo, console

    try:
        params = json.loads(conf)
    except ValueError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint="--conf") from error
    # Ended from outside, it stops what it started, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(Demo(Settings(), console(), params).run())


@main.command()
def status() -> None:
    """What runs, what died; exit status 1 unless all is well."""
    settings = Settings()
    current = state.read(settings)
    if current is None and not processes.members(settings.home):
        click.echo("not running; start it with: make up")
        sys.exit(1)
    if current is not None:
        for name, component in current.components.items():
            runs = current.supervisor_runs and component.exit_code is None
            click.echo(f"{name:14} {'runs' if runs else 'ENDED':6} {components.log_of(settings, name)}")
    stack.check_alive(settings, current)
    memory = processes.pss_bytes(settings.home) / 2**30
    click.echo(f"{len(processes.members(settings.home))} processes, {memory:.2f} GiB (PSS)")
    click.echo(_access(settings))


def _access(settings: Settings) -> str:
    password = credentials.load(settings).password
    return (
        f"  Airflow    {settings.airflow_url}   login {credentials.USER}, password {password}\n"
        f"  local AWS  {settings.aws_url}   for a shell: source {settings.env_file}\n"
        "  stop with  make down"
    )


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
