"""`rushes backup`: a copy of the daemon's store."""

from pathlib import Path

import click

from bus.client import Client
from cli import text
from cli.options import with_client
from cli.output import print_json, say


@click.command()
@click.argument("file")
@with_client
def backup(client: Client, /, *, file: str, as_json: bool) -> None:
    """Copy the daemon's store to FILE, a new file on the daemon's machine, while it goes on working.

    To restore: end the daemon, move rushes.sqlite3 and its -wal and -shm out of its data folder, copy FILE there as
    rushes.sqlite3, and start the daemon. Outputs are not in it; jobs, events and the audit are.

    \b
    Example:
      rushes backup /var/backups/rushes-today.sqlite3
    """
    client.status()  # the minute of patience is for a large store, not for a daemon that is away
    result = client.backup(str(Path(file).absolute()))
    if as_json:
        print_json(result)
    else:
        say(f"{text.clean(result.path)}: {text.size(result.size)}")
