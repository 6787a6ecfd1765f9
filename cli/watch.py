"""Following jobs until they have ended: events say when to look, the jobs' views say what there is to see."""

import time
from collections.abc import Iterable, Mapping

import click

from bus.client import Client
from bus.errors import NoDaemon, NotFound
from bus.messages import JobView
from bus.request import ENDED
from cli.lines import Show, display
from cli.output import complain, note

LOOK_SECONDS = 5.0
"""Without any event for so long, look: that is how a daemon that has gone is noticed."""


def until_ended(
    client: Client, ids: Iterable[str], show: Show, timeout: float | None = None
) -> dict[str, JobView | None]:
    """Each job's latest view: ended, unless `timeout` seconds are over; None where it was deleted meanwhile.

    Args:
        client: in use by nobody else.
        ids: full ids.
        show: called with a job's view each time there is something new to see.
        timeout: for all of them together.

    Raises:
        NotFound: there is no such job to begin with.

    """
    end = None if timeout is None else time.monotonic() + timeout
    views: dict[str, JobView | None] = {}
    with client.events(ephemeral=True) as stream:
        for job_id in ids:
            job = views[job_id] = client.get(job_id).job
            show(job)
        while running := {job.id for job in views.values() if job is not None and job.status not in ENDED}:
            left = LOOK_SECONDS if end is None else min(LOOK_SECONDS, end - time.monotonic())
            if left <= 0:
                break
            event = stream.next(left)
            news = running if event is None else set()
            while event is not None:  # what has piled up costs one look for each job, not for each event
                news |= running & {event.job_id or ""}
                event = stream.next(0)
            for job_id in news:
                try:
                    job = views[job_id] = client.get(job_id).job
                except NotFound:
                    views[job_id] = None
                else:
                    show(job)
    return views


def wait_for(client: Client, ids: Iterable[str], timeout: float | None = None) -> dict[str, JobView | None]:
    """`until_ended`, with the jobs' progress shown meanwhile."""
    ids = list(ids)
    seen = False

    def look(job: JobView) -> None:
        nonlocal seen
        seen = True
        show(job)

    try:
        with display() as show:
            return until_ended(client, ids, look, timeout)
    except (KeyboardInterrupt, NoDaemon):
        if seen:  # else there was no daemon to begin with
            note(f"Nothing was stopped; to go on waiting: rushes wait {' '.join(ids)}")
        raise


def settle(views: Mapping[str, JobView | None], timeout: float | None = None) -> None:
    """End the command with status 1, and the reasons on stderr, unless every job is completed."""
    problems = {job_id: _problem(job, timeout) for job_id, job in views.items()}
    for job_id, problem in problems.items():
        if problem:
            complain(f"{job_id}: {problem}")
    if any(problems.values()):
        raise click.exceptions.Exit(1)


def _problem(job: JobView | None, timeout: float | None) -> str | None:
    if job is None:
        return "was deleted while it was waited for"
    if job.status == "failed" and job.error is not None:
        remedy = f"; {job.error.remedy}" if job.error.remedy else ""
        return f"failed: {job.error.code}: {job.error.message}{remedy}"
    if job.status == "cancelled" and job.cancel is not None:
        return f"cancelled by {job.cancel.by}: {job.cancel.reason}"
    if job.status not in ENDED:
        return f"is still {job.status} after {timeout:g} s" if timeout is not None else f"is {job.status}"
    return None if job.status == "completed" else job.status
