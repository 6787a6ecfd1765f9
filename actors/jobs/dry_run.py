"""What a command would do: it is carried out in full, told, and taken back. All in the Queue's thread."""

from typing import Any

from msgspec.structs import replace

from actors.ffmpeg.command import partial_path
from actors.jobs import desk
from actors.jobs.ledger import Ledger
from actors.jobs.model import Job
from actors.jobs.store import Store
from actors.jobs.turn import Turn
from actors.mail import LookAtFiles
from bus import messages as m
from bus.inbox import Request

DryRun = m.Submit | m.Cancel | m.Delete | m.Boost | m.Retry
"""The commands that can be tried."""

NO_JOB = ""
"""The id of a job that would be submitted: it has none."""


def is_dry_run(command: m.AnyCommand) -> bool:
    """True where nothing is to be changed by it."""
    return isinstance(command, DryRun) and command.dry_run


def attempt(store: Store, ledger: Ledger, request: Request) -> Any:
    """The result that the command would have, or what the Janitor has to find out for it.

    Raises:
        CommandRefused: it would be refused.
        StoreError: the store cannot be used.

    """
    command = request.command
    with store.taken_back():
        turn = Turn(store, ledger.copy())
        before = None if isinstance(command, m.Submit) else store.job(getattr(command, "job_id", NO_JOB))
        result = desk.carry_out(turn, request)
        if isinstance(command, m.Submit):
            return replace(result, job=replace(result.job, id=NO_JOB), dry_run=True)
        assert before is not None, "else it was refused"
        if isinstance(command, m.Delete):
            made = (
                [] if command.keep_files else [(output.path, output.file) for output in before.outputs if output.file]
            )
            return LookAtFiles(files=made, partials=_partials(before))
        if isinstance(command, m.Cancel):
            kept = [output.path for output in before.outputs if output.is_complete]
            partials = _partials(before) if result.changed else []
            return replace(result, files=m.FilesView(removed=partials, kept=kept), dry_run=True)
        return replace(result, dry_run=True)


def _partials(job: Job) -> list[str]:
    """The files that a stop of the job would remove: what is being made."""
    return [
        partial_path(output.path, job.id, output.index, job.runs)
        for output in job.outputs
        if job.status == "processing" and output.status == "rendering"
    ]
