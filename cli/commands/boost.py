"""`rushes boost`: move queued jobs."""

from contextlib import suppress

import click

from bus import limits
from bus.client import Client
from bus.errors import NotFound
from bus.messages import BoostResult, JobStatus
from cli import dry, text
from cli.numbers import Whole
from cli.options import selects, with_client
from cli.output import say
from cli.several import Selection, Tally

QUEUED: tuple[JobStatus, ...] = ("queued",)


@click.command()
@selects(*QUEUED)
@click.option(
    "--priority",
    metavar="N",
    type=Whole(limits.MIN_PRIORITY, limits.MAX_PRIORITY),
    help="The new one.",
)
@click.option(
    "--by",
    metavar="N",
    type=Whole(limits.MIN_PRIORITY - limits.MAX_PRIORITY, limits.MAX_PRIORITY - limits.MIN_PRIORITY),
    help="Added to the priority.",
)
@click.option("--front", is_flag=True, help="Before every other job.")
@dry.DRY_RUN
@with_client
def boost(
    client: Client,
    /,
    *,
    given: tuple[str, ...],
    session: str | None,
    wanted: tuple[JobStatus, ...],
    priority: int | None,
    by: int | None,
    front: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Move queued jobs: the higher the priority, the sooner they run.

    Several jobs that go to the front keep their order.

    \b
    Examples:
      rushes boost k3xm --front
      rushes boost --session dailies --by 10
    """
    selection = Selection(given, session, wanted)
    selection.check()
    if (priority is not None) + (by is not None) + front != 1:
        raise click.UsageError("where to? give one of --priority, --by and --front")
    tally = Tally[BoostResult](single=selection.names_one)
    jobs = tally.jobs(client, selection, QUEUED, order="queue")
    for job in reversed(jobs) if front else jobs:
        with tally.of(job.id):
            result = client.boost(job.id, priority=priority, by=by, front=front, dry_run=dry_run)
            tally.results[job.id] = dry.one_of_several(result) if dry_run and len(jobs) > 1 else result
    if len(jobs) > 1 and not dry_run:
        _look_again(client, tally)
    if as_json:
        tally.print_json()
    else:
        for job in jobs:
            if job.id in tally.results:
                result = tally.results[job.id]
                say(dry.boost(result) if dry_run else _report(result))
    tally.check()


def _look_again(client: Client, tally: Tally[BoostResult]) -> None:
    """Of several, only the last to be moved still has the place that its reply says."""
    for job_id in list(tally.results):
        with suppress(NotFound):  # deleted meanwhile: what its reply said is all there is to say
            job = client.get(job_id).job
            tally.results[job_id] = BoostResult(job, job.position)


def _report(result: BoostResult) -> str:
    place = f", place {result.position} in the queue" if result.position else ""
    return f"{result.job.id} has priority {result.job.priority}{place}: {text.title(result.job)}"
