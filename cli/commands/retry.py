"""`rushes retry`: failed jobs, once more."""

import click

from bus.client import Client
from bus.messages import JobResult
from cli.lines import line
from cli.options import job_ids, with_client
from cli.output import say
from cli.several import Selection, Tally
from cli.watch import settle, wait_for


@click.command()
@job_ids(required=True)
@click.option("--wait", is_flag=True, help="Until they have ended; their success is the exit status.")
@with_client
def retry(client: Client, /, *, given: tuple[str, ...], wait: bool, as_json: bool) -> None:
    """Queue failed jobs again. Outputs that are completed are not rendered again.

    \b
    Example:
      rushes retry k3xm --wait
    """
    selection = Selection(given, None, ())
    tally = Tally[JobResult](single=selection.names_one)
    for job in tally.jobs(client, selection, ("failed",)):
        with tally.of(job.id):
            tally.results[job.id] = client.retry(job.id)
            if not as_json:
                say(line(tally.results[job.id].job))
    views = wait_for(client, tally.results) if wait else {}
    tally.results |= {job_id: JobResult(job) for job_id, job in views.items() if job is not None}
    if as_json:
        tally.print_json()
    settle(views)
    tally.check()
