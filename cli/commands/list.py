"""`rushes list`: jobs as a table."""

from typing import Literal

import click

from bus import limits
from bus.client import Client
from bus.messages import JobStatus, JobView, ListResult
from cli import text
from cli.options import STATUSES, with_client
from cli.output import note, print_json, print_table
from cli.table import Column

DEFAULT_LIMIT = 100
"""As the bus has it."""

Order = Literal["newest", "oldest", "queue"]


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
    type=click.IntRange(1, limits.MAX_PAGE),
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
    order: Order,
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
    print_table(_columns(order), [_row(job, order) for job in result.jobs])
    if result.cursor is not None:
        note(f"These are the first {len(result.jobs)}; --all shows the rest.")


def _columns(order: Order) -> list[Column]:
    columns = [
        Column("ID"),
        Column("STATUS", states=True),
        Column("DONE", right=True),
        Column("PRIO", right=True),
        Column("AGE", right=True),
        Column("JOB"),
    ]
    return [Column("#", right=True), *columns] if order == "queue" else columns


def _row(job: JobView, order: Order) -> list[str]:
    cells = [
        job.id,
        text.standing(job),
        text.percent(job.progress),
        str(job.priority),
        text.age(job.created_at),
        _what(job),
    ]
    return [str(job.position or ""), *cells] if order == "queue" else cells


def _what(job: JobView) -> str:
    """The job's name and files; of one that failed, why."""
    title = f"{text.clean(job.name)} ({text.files(job)})" if job.name else text.files(job)
    return f"{title}: {job.error.code}" if job.status == "failed" and job.error else title
