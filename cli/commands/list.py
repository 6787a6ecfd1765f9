"""`rushes list`: jobs as a table."""

import click

from bus import limits
from bus.client import Client
from bus.messages import JobOrder, JobStatus, ListResult
from cli.job_table import print_jobs
from cli.numbers import Whole
from cli.options import STATUSES, with_client
from cli.output import note, print_json

DEFAULT_LIMIT = 100
"""As the bus has it."""


@click.command("list")
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Of this status. May be repeated.")
@click.option("--session", metavar="NAME", help="Of this session.")
@click.option(
    "--order",
    type=click.Choice(["newest", "oldest", "queue"]),
    default="newest",
    show_default=True,
    help="queue: queued jobs, as they will run.",
)
@click.option(
    "-n",
    "--limit",
    metavar="N",
    type=Whole(1, limits.MAX_PAGE),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="At most so many.",
)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@with_client
def list_jobs(
    client: Client,
    /,
    *,
    status: tuple[JobStatus, ...],
    session: str | None,
    order: JobOrder,
    limit: int,
    everything: bool,
    as_json: bool,
) -> None:
    """Jobs, newest first.

    \b
    Examples:
      rushes list --status processing --status queued
      rushes list --order queue
    """
    if order == "queue" and status and "queued" not in status:
        raise click.UsageError("--order queue is of queued jobs alone; leave out --status")
    wanted = status or None
    if everything:
        result = ListResult(list(client.jobs(status=wanted, session=session, order=order)), None)
    else:
        result = client.list(status=wanted, session=session, order=order, limit=limit)
    if as_json:
        print_json(result)
        return
    if not result.jobs:
        note("No jobs.")
        return
    print_jobs(result.jobs, places=order == "queue")
    if result.cursor is not None:
        note("There are more: --limit N, or --all.")
