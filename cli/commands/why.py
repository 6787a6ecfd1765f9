"""`rushes why`: what a job waits for, or what it came to."""

import click

from bus.client import Client
from bus.messages import EstimateView, WhyResult
from cli import text
from cli.jobs import find
from cli.options import job_id, with_client
from cli.output import print_json, say
from cli.table import state


@click.command()
@job_id
@with_client
def why(client: Client, /, *, given: str, as_json: bool) -> None:
    """Why a job is not running, what it waits for, or how it ended; and when it may start and end.

    The times are an estimate from what jobs took here lately, or from the pace of the job itself.

    \b
    Example:
      rushes why k3xm
    """
    result = client.why(find(client, given))
    if as_json:
        print_json(result)
    else:
        say("\n".join(_lines(result)))


def _lines(result: WhyResult) -> list[str]:
    job = result.job
    place = f", place {job.position} in the queue" if job.position else ""
    lines = [f"{job.id} is {state(text.standing(job))}{place}: {text.title(job)}"]
    lines += [f"  {text.said(reason.message)}" for reason in result.reasons]
    if job.status == "queued" and not result.reasons:
        lines.append("  nothing holds it: it is about to start")
    if result.estimate is not None:
        lines.append(f"  {_estimate(result.estimate)}")
    return lines


def _estimate(estimate: EstimateView) -> str:
    start = f"starts about {text.short_time(estimate.start)}, " if estimate.start else ""
    return f"estimate: {start}ends about {text.short_time(estimate.end)} ({text.clean(estimate.basis)})"
