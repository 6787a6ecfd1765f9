"""The option `--dry-run`, and what it prints: what would happen, in the words of what did not."""

from collections.abc import Sequence
from typing import TypeVar

import click
from msgspec.structs import replace

from bus.messages import BoostResult, CancelResult, DeleteResult, JobResult
from cli import text

Placed = TypeVar("Placed", BoostResult, JobResult)

DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")


def one_of_several(result: Placed) -> Placed:
    """Without its place: each was tried by itself, and together they would stand elsewhere."""
    if isinstance(result, BoostResult):
        result = replace(result, position=None)
    return replace(result, job=replace(result.job, position=None))


def submit(result: JobResult) -> str:
    """The place that a job would have."""
    job = result.job
    lines = [f"would be queued at place {job.position}: {text.title(job)}"]
    return "\n".join([*lines, *_files("would make", [output.path for output in job.outputs])])


def cancel(result: CancelResult) -> str:
    """What would become of the job and its files."""
    job = result.job
    if not result.changed:
        return f"{job.id} would stay as it is: {text.standing(job)}"
    files = result.files
    removed, kept = (files.removed, files.kept) if files else ([], [])
    what = "would be stopped" if job.status == "processing" else "would be cancelled"
    lines = [f"{job.id} {what}: {text.title(job)}"]
    return "\n".join([*lines, *_files("would remove", removed), *_files("would keep", kept)])


def delete(result: DeleteResult, kept: Sequence[str]) -> str:
    """What would become of each file."""
    failed = [f"{left.path}: {left.message}" for left in result.failed]
    lines = [f"{result.job_id} would be deleted", *_files("would remove", result.removed)]
    return "\n".join(
        [*lines, *_files("missing", result.missing), *_files("would leave", failed), *_files("would keep", kept)]
    )


def boost(result: BoostResult) -> str:
    """The place that a job would have."""
    job = result.job
    place = f", place {result.position} in the queue" if result.position else ""
    return f"{job.id} would have priority {job.priority}{place}: {text.title(job)}"


def retry(result: JobResult) -> str:
    """The place that a job would have, and what of it is still to be made."""
    job = result.job
    place = f" at place {job.position}" if job.position else ""
    lines = [f"{job.id} would be queued again{place}: {text.title(job)}"]
    return "\n".join([*lines, *_files("would make", [o.path for o in job.outputs if o.status == "pending"])])


def _files(label: str, paths: Sequence[str]) -> list[str]:
    return [f"  {label:14}{text.clean(path)}" for path in paths]
