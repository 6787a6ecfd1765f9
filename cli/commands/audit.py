"""`rushes audit`: who changed what."""

import click

from bus import limits
from bus.client import Client
from bus.messages import AuditEntry
from cli import text
from cli.numbers import Whole
from cli.options import with_client
from cli.output import note, print_json, print_table
from cli.table import Column

DEFAULT_LIMIT = 50
"""About a screen and a half."""


@click.command()
@click.option("--since", type=Whole(0), metavar="SEQ", help="After this entry.")
@click.option(
    "-n",
    "--limit",
    metavar="N",
    type=Whole(1, limits.MAX_PAGE),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="At most so many: the last ones, or with --since the first.",
)
@with_client
def audit(client: Client, /, *, since: int | None, limit: int, as_json: bool) -> None:
    """Who changed what: every command that would, and what came of it.

    \b
    Example:
      rushes audit -n 20
    """
    if since is None:
        since = max(0, client.audit(limit=1).last_seq - limit)
    result = client.audit(since, limit=limit)
    if as_json:
        print_json(result)
        return
    if not result.entries:
        note("No entries.")
        return
    columns = [Column("SEQ", right=True), *map(Column, ("TIME", "BY", "COMMAND", "JOB", "OUTCOME"))]
    print_table(columns, [_row(entry) for entry in result.entries])


def _row(entry: AuditEntry) -> list[str]:
    outcome = f"{entry.outcome}: {entry.message}" if entry.message else entry.outcome
    who = text.clean(entry.by)
    return [
        str(entry.seq),
        text.short_time(entry.at),
        who,
        entry.type,
        entry.job_id or "",
        text.clean(outcome),
    ]
