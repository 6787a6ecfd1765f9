"""Jobs as a table."""

from collections.abc import Iterable

from bus.messages import JobView
from cli import text
from cli.output import print_table
from cli.table import Column

WAITS = {
    "retry": "waits for its next attempt",
    "disk": "waits for room on the disk",
    "paused": "paused",
    "slots": "waits for its slots",
}

PLACE = Column("#", right=True)
COLUMNS = [
    Column("ID"),
    Column("STATUS", states=True),
    Column("DONE", right=True),
    Column("PRIO", right=True),
    Column("AGE", right=True),
    Column("JOB"),
]


def print_jobs(jobs: Iterable[JobView], *, places: bool = False) -> None:
    """One line a job; with `places`, each with its place in the queue."""
    if places:
        print_table([PLACE, *COLUMNS], [[str(job.position or ""), *_row(job)] for job in jobs])
    else:
        print_table(COLUMNS, [_row(job) for job in jobs])


def _row(job: JobView) -> list[str]:
    return [
        job.id,
        text.standing(job),
        text.percent(job.progress) if job.progress or job.status != "queued" else "",
        str(job.priority),
        text.age(job.created_at),
        _what(job),
    ]


def _what(job: JobView) -> str:
    """The job's name and files; of one that failed, why; of one that waits for more than a slot, for what."""
    title = f"{text.clean(job.name)} ({text.files(job)})" if job.name else text.files(job)
    if job.status == "failed" and job.error:
        return f"{title}: {job.error.code}"
    return f"{title}: {WAITS[job.waiting.why]}" if job.waiting else title
