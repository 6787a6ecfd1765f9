"""`rushes delete`: remove jobs, their record and the files they made."""

from collections.abc import Sequence

import click

from bus.client import Client
from bus.errors import Conflict
from bus.messages import DeleteResult, JobStatus, JobView
from bus.request import ENDED
from cli import dry, text
from cli.confirm import YES, ask, must_ask
from cli.options import STATUSES, selects, with_client
from cli.output import say
from cli.several import Selection, Tally
from cli.table import state

WAIT_SECONDS = 60.0
"""For a running job's child to end: long after the last rung of the stop ladder with its default grace."""


@click.command()
@selects(*STATUSES)
@click.option("--force", is_flag=True, help="Cancel first what is queued or running.")
@click.option("--keep-files", is_flag=True, help="Leave the files where they are.")
@dry.DRY_RUN
@YES
@with_client
def delete(
    client: Client,
    /,
    *,
    given: tuple[str, ...],
    session: str | None,
    wanted: tuple[JobStatus, ...],
    force: bool,
    keep_files: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove jobs, their record and the files they made.

    Asks first. A file that is no longer the one a job made is left alone, and named.

    \b
    Examples:
      rushes delete k3xm
      rushes delete --session dailies --status completed --keep-files --yes
    """
    selection = Selection(given, session, wanted)
    selection.check()
    asking = not dry_run and must_ask(yes=yes)
    tally = Tally[DeleteResult](single=selection.names_one)
    jobs = []
    for job in tally.jobs(client, selection, STATUSES):
        with tally.of(job.id):
            if not (force or job.status in ENDED):
                # Refused here, in the words of this command line, before anybody is asked about it.
                raise Conflict(f"the job is {job.status}; --force cancels it first", {"job": job})
            jobs.append(job)
    if asking and jobs:
        made = [path for job in jobs for path in _made(job)]
        question = _question(jobs, len(made), keep_files=keep_files)
        ask(jobs, question, removing=[] if keep_files else made)
    for job in jobs:
        with tally.of(job.id):
            result = client.delete(job.id, force=force, keep_files=keep_files, wait=WAIT_SECONDS, dry_run=dry_run)
            tally.results[job.id] = result
            if not as_json:
                kept = _made(job) if keep_files else []
                say(dry.delete(result, kept) if dry_run else _report(result, kept))
    if as_json:
        tally.print_json()
    tally.check()


def _made(job: JobView) -> list[str]:
    """The files that the job has made, as far as they were made when it was looked at."""
    return [output.path for output in job.outputs if output.status == "completed"]


def _question(jobs: Sequence[JobView], made: int, *, keep_files: bool) -> str:
    active = sum(job.status not in ENDED for job in jobs)
    parts = [f"Delete {text.count(len(jobs), 'job')}"]
    if made:
        parts.append(f"{'but keep' if keep_files else 'and'} {text.count(made, 'file')}")
    if active:
        parts.append(f"({active} still to run: cancelled first)")
    return " ".join(parts) + "?"


def _report(result: DeleteResult, kept: Sequence[str]) -> str:
    """What happened to the job, and to each file."""
    if result.status == "deleting":
        return f"{result.job_id} is being deleted: its FFmpeg has not ended after {WAIT_SECONDS:g} s"
    lines = [f"{result.job_id} deleted"]
    lines += [f"  removed  {text.clean(path)}" for path in result.removed]
    lines += [f"  missing  {text.clean(path)}" for path in result.missing]
    lines += [f"  {state('failed')}   {text.clean(left.path)}: {text.clean(left.message)}" for left in result.failed]
    lines += [f"  kept     {text.clean(path)}" for path in kept]
    return "\n".join(lines)
