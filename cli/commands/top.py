"""`rushes top`: all of it, live."""

import os
import sys

import click

from bus.client import Client
from cli.options import with_client
from cli.output import print_json

SHOWN = 100
"""Jobs of each kind in the JSON document: a page of the queue may have a million behind it."""


@click.command()
@with_client
def top(client: Client, /, *, as_json: bool) -> None:
    """All of it, live: what runs and how far it is, the queue, what has ended, what happens.

    Keys cancel, move, retry and delete jobs, show FFmpeg's log, drain and resume; ? explains them.
    With --json, all that is shown is printed once.

    \b
    Example:
      rushes top
    """
    status = client.status()  # where no daemon answers, that is said here and not on an empty screen
    if as_json:
        running = client.list(status=["processing"], limit=SHOWN).jobs
        queue = client.list(order="queue", limit=SHOWN).jobs
        ended = client.list(status=["completed", "failed", "cancelled"], limit=SHOWN).jobs
        print_json({"status": status, "running": running, "queue": queue, "ended": ended})
        return
    if not _can_draw():
        raise click.UsageError("this draws on a terminal, and there is none; for a look: rushes top --json")
    for name in ("COLUMNS", "LINES"):  # what some shells export is the size of a while ago; the terminal knows it
        os.environ.pop(name, None)
    from cli.top.app import Top

    result = Top(client.address).run(mouse=False)  # the terminal's own mouse can then mark and copy an id
    if isinstance(result, Exception):
        raise result
    if result:
        raise click.exceptions.Exit(result)


def _can_draw() -> bool:
    """False where keys cannot come in, where nothing can be drawn, or where nobody would see it."""
    return os.environ.get("TERM") != "dumb" and all(
        stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)
    )
