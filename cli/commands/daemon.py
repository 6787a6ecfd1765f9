"""`rushes status`, `drain`, `resume`, `log-level` and `shutdown`: the daemon itself."""

import os
import select
import time

import click

from bus.client import Client
from bus.errors import CommandRefused, NoDaemon
from bus.messages import LogLevelName, ShutdownMode, StatusResult
from cli import text
from cli.options import STATUSES, with_client
from cli.output import note, print_json, say
from cli.table import state

EXIT_SECONDS = 10.0
"""What a daemon that no longer answers may take to end; then it is taken for gone (its pid may be another
machine's, or a container's)."""

LOOK_SECONDS = 1.0
"""Between two looks at a daemon that is to end."""


@click.command()
@with_client
def status(client: Client, /, *, as_json: bool) -> None:
    """The daemon itself: what runs, what waits.

    \b
    Example:
      rushes status
    """
    result = client.status()
    if as_json:
        print_json(result)
        return
    draining = click.style("  draining: no further job starts", fg="yellow") if result.draining else ""
    counts = "  ".join(f"{state(name)} {result.counts.get(name, 0)}" for name in STATUSES)
    say(f"rushes {result.version}, pid {result.pid}, up {text.span(result.uptime)}, at {client.address}")
    taken = [f"{one.used} of {one.total} {name}" for name, one in result.resources.items()]
    say(f"{result.running} running ({', '.join(taken)}), {result.queued} queued{draining}")
    say(counts)


@click.command()
@with_client
def drain(client: Client, /, *, as_json: bool) -> None:
    """Start no further job; those that run go on. It holds until `rushes resume`, over restarts too.

    \b
    Example:
      rushes drain && rushes status
    """
    result = client.drain()
    if as_json:
        print_json(result)
    else:
        say("draining: no further job starts until rushes resume")


@click.command("log-level")
@click.argument("level", type=click.Choice(["debug", "info", "warning", "error"]))
@with_client
def log_level(client: Client, /, level: LogLevelName, *, as_json: bool) -> None:
    """Have the daemon's log say more or less, until it ends.

    \b
    Example:
      rushes log-level warning
    """
    result = client.log_level(level)
    if as_json:
        print_json(result)
    else:
        say(f"the log's level is {result.level}; it was {result.was}")


@click.command()
@with_client
def resume(client: Client, /, *, as_json: bool) -> None:
    """Start jobs again.

    \b
    Example:
      rushes resume
    """
    result = client.resume()
    if as_json:
        print_json(result)
    else:
        say("resumed: jobs start again")


@click.command()
@click.option(
    "--mode",
    type=click.Choice(["stop", "drain", "leave"]),
    default="stop",
    show_default=True,
    help="stop: running jobs are stopped and queued again. drain: they finish first. "
    "leave: their FFmpeg runs on, and the next daemon takes it over.",
)
@click.option("--wait", is_flag=True, help="Until the daemon is gone.")
@with_client
def shutdown(client: Client, /, *, mode: ShutdownMode, wait: bool, as_json: bool) -> None:
    """End the daemon.

    \b
    Examples:
      rushes shutdown --mode drain --wait
      rushes shutdown --mode leave --wait    # then start the new version
    """
    before = client.status()
    pidfd = _watch(before.pid)
    paused = _paused(client) if mode == "drain" else []
    result = client.shutdown(mode)
    if not (as_json or wait):
        say(f"pid {before.pid} ends" + (" once its running jobs have finished" if mode == "drain" else ""))
    if paused:
        note(f"{text.count(len(paused), 'paused job')} to unpause or cancel first: {' '.join(paused)}")
    if wait:
        try:
            _wait(client, before, pidfd)
        except KeyboardInterrupt:
            now = "; `rushes shutdown` has it end now" if mode == "drain" else ""
            note(f"pid {before.pid} ends all the same{now}")
            raise
        if not as_json:
            say(f"pid {before.pid} has ended")
    if as_json:
        print_json(result)


def _paused(client: Client) -> list[str]:
    """Running jobs that will not finish by themselves."""
    return [job.id for job in client.jobs(status=("processing",)) if job.paused]


def _watch(pid: int) -> int | None:
    """A handle on the daemon's process, taken while it lives: afterwards its pid may be another's."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None  # it is not on this machine, or behind a pid namespace


def _wait(client: Client, before: StatusResult, pidfd: int | None) -> None:
    """Return once the daemon's process has ended; where that cannot be seen, once nobody answers any more."""
    running = 0
    silent_since: float | None = None
    while pidfd is None or not select.select([pidfd], [], [], LOOK_SECONDS)[0]:
        try:
            now = client.status()
        except CommandRefused:
            continue  # it is stopping, and too busy to say how far it is
        except NoDaemon:
            silent_since = silent_since or time.monotonic()
            if pidfd is None or time.monotonic() - silent_since > EXIT_SECONDS:
                return
            continue
        if now.started_at != before.started_at:
            return  # another has taken its place
        if now.running != running:
            running = now.running
            note(f"{text.count(running, 'job')} still running")
