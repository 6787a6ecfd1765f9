"""`rushes session`: the jobs of a session as one."""

import click

from bus.client import Client
from bus.messages import STATUSES, SessionResult
from cli import text
from cli.options import with_client
from cli.output import note, print_json, say
from cli.table import state
from cli.watch import settle, wait_for


@click.command()
@click.argument("name", metavar="SESSION")
@click.option("--wait", is_flag=True, help="Until all its jobs have ended; their success is the exit status.")
@with_client
def session(client: Client, /, *, name: str, wait: bool, as_json: bool) -> None:
    """Sum up a session: how many jobs, how far they are, what became of them.

    cancel, delete, retry, pause and list take --session, too.

    \b
    Examples:
      rushes session dailies
      rushes session dailies --wait && rushes delete --session dailies --keep-files --yes
    """
    result = client.session(name)  # where it has no job, there is nothing to wait for
    views = {}
    if wait:
        active = client.jobs(session=name, status=("queued", "processing"), order="oldest")
        views = wait_for(client, [job.id for job in active])
        result = client.session(name)
    if as_json:
        print_json(result)
    else:
        say("\n".join(_lines(result)))
    settle(views)
    lost = result.counts["failed"] + result.counts["cancelled"]
    if wait and lost:
        note(f"{text.count(lost, 'job')} did not complete: rushes list --session {name!r} --status failed")
        raise click.exceptions.Exit(1)


def _lines(result: SessionResult) -> list[str]:
    counts = [f"{state(status)} {result.counts[status]}" for status in STATUSES if result.counts[status]]
    times = [f"submitted {text.local_time(result.created_at)}"]
    if result.finished_at:
        times.append(f"finished {text.local_time(result.finished_at)}")
    elif result.started_at:
        times.append(f"started {text.local_time(result.started_at)}")
    return [
        f"{text.clean(result.session)}: {text.count(result.total, 'job')}, {'  '.join(counts)}",
        f"{text.bar(result.progress)} {text.percent(result.progress)}",
        ", ".join(times),
    ]
