"""`rushes retry`: failed jobs, once more."""

import click

from bus.client import Client
from bus.messages import JobResult, JobStatus
from cli import dry
from cli.lines import line
from cli.options import selects, with_client
from cli.output import say
from cli.several import Selection, Tally
from cli.watch import settle, wait_for

FAILED: tuple[JobStatus, ...] = ("failed",)


@click.command()
@selects(*FAILED)
@click.option("--wait", is_flag=True, help="Until they have ended; their success is the exit status.")
@dry.DRY_RUN
@with_client
def retry(
    client: Client,
    /,
    *,
    given: tuple[str, ...],
    session: str | None,
    wanted: tuple[JobStatus, ...],
    wait: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Queue failed jobs again. Outputs that are completed are not rendered again.

    \b
    Examples:
      rushes retry k3xm --wait
      rushes retry --session dailies
    """
    selection = Selection(given, session, wanted)
    selection.check()
    tally = Tally[JobResult](single=selection.names_one)
    jobs = tally.jobs(client, selection, FAILED)
    for job in jobs:
        with tally.of(job.id):
            result = client.retry(job.id, dry_run=dry_run)
            result = tally.results[job.id] = dry.one_of_several(result) if dry_run and len(jobs) > 1 else result
            if not as_json:
                say(dry.retry(result) if dry_run else line(result.job))
    views = wait_for(client, tally.results) if wait and not dry_run else {}
    tally.results |= {job_id: JobResult(job) for job_id, job in views.items() if job is not None}
    if as_json:
        tally.print_json()
    settle(views)
    tally.check()
