"""`rushes session`: the jobs of a session as one."""

import shlex

import click

from bus.client import Client
from bus.messages import JobStatus, SessionResult
from cli import text
from cli.options import with_client
from cli.output import complain, note, print_json, say
from cli.session_watch import await_session, counts
from cli.watch import settle

LOST: tuple[JobStatus, ...] = ("failed", "cancelled")

SHOWN_JOBS = 10
"""Jobs that did not complete of which the reasons are told: a session may have thousands."""


@click.command()
@click.argument("name", metavar="SESSION")
@click.option("--wait", is_flag=True, help="Until all its jobs have ended; their success is the exit status.")
@with_client
def session(client: Client, /, *, name: str, wait: bool, as_json: bool) -> None:
    """Sum up a session: how many jobs, how far they are, what became of them.

    cancel, delete, retry, pause and list take --session, too. With --wait, jobs that are added or retried meanwhile
    are waited for, too.

    \b
    Examples:
      rushes session dailies
      rushes session dailies --wait && rushes delete --session dailies --keep-files --yes
    """
    result, gone = await_session(client, name) if wait else (client.session(name), 0)
    if as_json:
        print_json(result)
    else:
        say("\n".join(_lines(result)))
    if wait:
        _settle(client, result, gone)


def _settle(client: Client, result: SessionResult, gone: int) -> None:
    """End the command with status 1, and the first reasons on stderr, unless every job is completed."""
    lost = sum(result.counts[status] for status in LOST)
    if gone:
        complain(f"{text.count(gone, 'job')} deleted meanwhile, before completion")
    if lost:
        _name_lost(client, result, lost)
    if gone or lost:
        raise click.exceptions.Exit(1)


def _name_lost(client: Client, result: SessionResult, lost: int) -> None:
    statuses = " ".join(f"--status {status}" for status in LOST if result.counts[status])
    which = f"rushes list --session {shlex.quote(text.clean(result.session))} {statuses}"
    note(f"{text.count(lost, 'job')} did not complete: {which}")
    jobs = client.list(session=result.session, status=LOST, order="oldest", limit=SHOWN_JOBS).jobs
    settle({job.id: job for job in jobs})


def _lines(result: SessionResult) -> list[str]:
    times = [f"submitted {text.local_time(result.created_at)}"]
    if result.finished_at:
        times.append(f"finished {text.local_time(result.finished_at)}")
    elif result.started_at:
        times.append(f"started {text.local_time(result.started_at)}")
    return [
        f"{text.clean(result.session)}: {text.count(result.total, 'job')}, {counts(result)}",
        f"{text.bar(result.progress)} {text.percent(result.progress)}",
        ", ".join(times),
    ]
