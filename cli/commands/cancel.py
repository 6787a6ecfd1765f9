"""`rushes cancel`: stop jobs."""

import click

from bus.client import Client
from bus.messages import CancelResult, JobStatus
from cli import dry, text
from cli.confirm import YES, ask, must_ask
from cli.options import selects, with_client
from cli.output import say
from cli.several import Selection, Tally
from cli.table import state

CANCELLABLE: tuple[JobStatus, ...] = ("queued", "processing")


@click.command()
@selects(*CANCELLABLE)
@click.option("--reason", default="user_request", show_default=True, help="A code or a phrase.")
@click.option("--notes", help="A few sentences.")
@click.option("--wait", is_flag=True, help="Until they have stopped.")
@dry.DRY_RUN
@YES
@with_client
def cancel(
    client: Client,
    /,
    *,
    given: tuple[str, ...],
    session: str | None,
    wanted: tuple[JobStatus, ...],
    reason: str,
    notes: str | None,
    wait: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Stop jobs, and keep their record. Outputs that are completed stay.

    Asks first, unless one job is named.

    \b
    Examples:
      rushes cancel k3xm --wait
      rushes cancel --session dailies --reason "wrong LUT" --yes
    """
    selection = Selection(given, session, wanted)
    selection.check()
    asking = not (selection.names_one or dry_run) and must_ask(yes=yes)
    tally = Tally[CancelResult](single=selection.names_one)
    jobs = tally.jobs(client, selection, CANCELLABLE)
    if asking and jobs:
        ask(jobs, f"Cancel {text.count(len(jobs), 'job')}?")
    for job in jobs:
        with tally.of(job.id):
            result = tally.results[job.id] = client.cancel(job.id, reason=reason, notes=notes, dry_run=dry_run)
            if dry_run and not as_json:
                say(dry.cancel(result))
            elif not (wait or as_json):
                say(_report(result))
    if wait and not dry_run:
        _wait(client, tally, as_json=as_json)
    if as_json:
        tally.print_json()
    tally.check()


def _wait(client: Client, tally: Tally[CancelResult], *, as_json: bool) -> None:
    """Replace each result by what it came to. All were asked before, so they stop side by side."""
    for job_id, asked in list(tally.results.items()):
        with tally.of(job_id):
            job = client.wait(job_id)
            tally.results[job_id] = CancelResult(job, asked.changed and job.status == "cancelled")
            if not as_json:
                say(_report(tally.results[job_id]))


def _report(result: CancelResult) -> str:
    job = result.job
    if job.status == "completed":
        word, rest = state("completed"), "before it could be stopped"
    elif job.status == "processing":
        word, rest = state("stopping"), ""
    elif result.changed or job.cancel is None:
        word, rest = state(job.status), ""
    else:
        word, rest = "was already " + state(job.status), f"by {job.cancel.by}, {text.age(job.cancel.at)} ago"
    return " ".join(part for part in (job.id, word, rest) if part)
