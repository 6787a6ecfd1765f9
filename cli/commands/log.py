"""`rushes log`: what FFmpeg said."""

import click

from bus.client import Client
from cli.jobs import find
from cli.log_follow import LogFollower, print_log
from cli.numbers import Whole
from cli.options import job_id, with_client
from cli.output import note, print_json


@click.command()
@job_id
@click.option("--output", type=Whole(0), metavar="N", help="Of this output; else the latest.")
@click.option("--attempt", type=Whole(1), metavar="N", help="Of this attempt; else the latest.")
@click.option("--tail", type=Whole(1), metavar="N", help="The last N lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on, from run to run, until the job has ended.")
@with_client
def log(
    client: Client,
    /,
    *,
    given: str,
    output: int | None,
    attempt: int | None,
    tail: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """What FFmpeg said on stderr. The middle of a very long log is not kept.

    --follow waits for a job that is queued, begins with the latest run, and ends with the job, or
    with the --output and --attempt that are given. What FFmpeg says is on stdout, and nothing else:
    a heading for each output and attempt is on stderr.

    \b
    Examples:
      rushes log k3xm
      rushes log k3xm --output 1 --attempt 2
      rushes log k3xm -f | grep -i warning
    """
    if follow and as_json:
        raise click.UsageError("--follow prints text as it comes: no --json")
    job = find(client, given)
    if follow:
        LogFollower(client, job, output=output, attempt=attempt, tail=tail).follow()
        return
    result = client.log(job, output=output, attempt=attempt, tail=tail)
    if as_json:
        print_json(result)
        return
    print_log(result.text)
    if result.truncated:
        note("Not all of it was kept." if tail is None else "This is its end; without --tail comes all of it.")
