"""A job as the daemon keeps it: one row of `jobs` and its rows of `outputs`."""

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

import msgspec
from msgspec import Struct

from actors.jobs.slots import need_of
from bus import messages as m

ID_ALPHABET = "23456789abcdefghijkmnpqrstuvwxyz"
"""32 signs without 0/o and 1/l, which people mix up when they read an id aloud."""

ID_CHARS = 16
"""80 random bits: with a million jobs the chance of one collision is 4e-13."""


IDS_AT_ONCE = 64

SIGN_OF_BYTE = bytes(ord(ID_ALPHABET[byte % len(ID_ALPHABET)]) for byte in range(256))
"""A sign for each byte; eight bytes have the same one, so that random bytes make random signs."""


JOB_ID = re.compile(f"[{ID_ALPHABET}]{{{ID_CHARS}}}")


def job_ids() -> Iterator[str]:
    """Random job ids without end, for one thread. Random and not by time: few characters tell two of one minute apart.

    The kernel is asked for the bytes of many at a time: each time gives up the interpreter's lock.
    """
    while True:
        signs = secrets.token_bytes(IDS_AT_ONCE * ID_CHARS).translate(SIGN_OF_BYTE).decode()
        for at in range(0, len(signs), ID_CHARS):
            yield signs[at : at + ID_CHARS]


def timestamp(after: float = 0.0) -> str:
    """Now (or `after` seconds from now) as RFC 3339 UTC with microseconds: such strings sort as their times do."""
    return (datetime.now(UTC) + timedelta(seconds=after)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment_of(text: str) -> float:
    """A timestamp as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


class FileIdentity(Struct, frozen=True):
    """Which file a completed output made: where any of these differs, it is no longer that file."""

    device: int
    inode: int
    size: int
    mtime_ns: int


class CancelWish(Struct, frozen=True):
    """A wish to stop a job, on disk before anything is signalled."""

    by: str
    command_id: str | None
    reason: str
    notes: str | None
    at: str

    def view(self) -> m.CancelView:
        """The wish as the bus shows it."""
        return m.CancelView(by=self.by, reason=self.reason, notes=self.notes, at=self.at)


class Deleting(Struct, frozen=True):
    """A wish to remove a job, on disk before anything is removed."""

    by: str | None
    command_id: str | None
    kind: Literal["deleted", "expired"]
    keep_files: bool
    why: Literal["ttl", "max_bytes"] | None = None


class Pause(Struct, frozen=True):
    """A job that is held where it is. `released`: while it runs, others may have its slots.

    `go_on`: it is to go on as soon as it has them again; by whom and with which command.
    """

    by: str
    command_id: str | None
    at: str
    released: bool = False
    go_on: tuple[str, str | None] | None = None

    @property
    def mark(self) -> str:
        """What tells it from the job's other pauses: two commands of one turn have one time."""
        return f"{self.at} {self.by} {self.command_id}"

    def view(self) -> m.PauseView:
        """The pause as the bus shows it."""
        return m.PauseView(by=self.by, at=self.at, released=self.released)


class Output(Struct, kw_only=True):
    """One row of `outputs`. `target` is the path with its folder's links resolved: what decides a collision."""

    index: int
    path: str
    target: str
    name: str | None
    status: m.OutputStatus = "pending"
    progress: float | None = 0.0
    speed: float | None = None
    size: int | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    started_at: str | None = None
    finished_at: str | None = None
    file: FileIdentity | None = None

    @property
    def is_complete(self) -> bool:
        """True where its file stands under its real name."""
        return self.status == "completed"


class Job(Struct, kw_only=True, dict=True):
    """One row of `jobs` with its outputs. Mutable: the Queue changes a copy of its own and saves it.

    `number` is the submit order; `rank` the order within a priority (the number, unless it was put to the front);
    `runs` counts every start and names the work folders; `attempts` counts the starts that were the job's own doing;
    `attempts_base` is `attempts` at the last retry, from where `max_attempts` counts anew; `expires_after` is when its
    time is over, in seconds of the store's own steady clock; `not_before` and `low_folder` say what it waits for;
    `shape` is what it takes of the machine's resources, see `slots`.
    """

    number: int
    id: str
    seq: int = 0
    status: m.JobStatus = "queued"
    phase: m.Phase | None = None
    priority: int
    rank: int
    name: str | None
    session: str | None
    spec_json: bytes
    submitted_by: str
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    cancelled_at: str | None = None
    expires_at: str | None = None
    expires_after: float | None = None
    not_before: str | None = None
    low_folder: str | None = None
    attempts: int = 0
    attempts_base: int = 0
    runs: int = 0
    cancel: CancelWish | None = None
    error: m.ErrorView | None = None
    deleting: Deleting | None = None
    shape: str = "cpu=1"
    paused: Pause | None = None
    outputs: list[Output] = []

    @cached_property
    def spec(self) -> m.JobSpec:
        """What was submitted."""
        return msgspec.json.decode(self.spec_json, type=m.JobSpec)

    @property
    def gave_up_slots(self) -> bool:
        """True while it is held in the middle of a run, and others may have its slots."""
        return self.phase == "paused" and self.paused is not None and self.paused.released

    @property
    def pending(self) -> list[int]:
        """The indexes of the outputs that are not complete."""
        return [output.index for output in self.outputs if not output.is_complete]


class Live(Struct, frozen=True, kw_only=True):
    """What is known of a running output and not worth a disk write. Seconds; `progress` 0 to 1."""

    job_id: str
    run: int
    index: int
    phase: m.Phase
    progress: float | None = None
    speed: float | None = None
    eta: float | None = None


def view(job: Job, live: Live | None = None, position: int | None = None) -> m.JobView:
    """The job as the bus shows it."""
    if live is not None and (job.status != "processing" or live.run != job.runs):
        live = None
    outputs = [
        _output_view(
            output, wanted.verify, live if live and live.index == output.index else None, paused=job.phase == "paused"
        )
        for output, wanted in zip(job.outputs, job.spec.outputs, strict=True)
    ]
    known = [output.progress for output in outputs if output.progress is not None]
    phase = live.phase if live and job.phase == "rendering" else job.phase
    return m.JobView(
        id=job.id,
        seq=job.seq,
        name=job.name,
        session=job.session,
        priority=job.priority,
        metadata=job.spec.metadata,
        status=job.status,
        phase=phase,
        position=position,
        progress=round(sum(known) / len(outputs), 4) if len(known) == len(outputs) else None,
        attempts=job.attempts,
        max_attempts=job.spec.max_attempts,
        submitted_by=job.submitted_by,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        cancelled_at=job.cancelled_at,
        expires_at=job.expires_at,
        cancel=job.cancel.view() if job.cancel else None,
        error=job.error,
        outputs=outputs,
        completed_outputs=sum(output.is_complete for output in job.outputs),
        total_outputs=len(outputs),
        not_before=job.not_before,
        waiting=_waiting(job),
        resources=need_of(job.shape),
        paused=job.paused.view() if job.paused else None,
    )


def _waiting(job: Job) -> m.WaitingView | None:
    if job.low_folder is not None:
        return m.WaitingView("disk", f"{job.low_folder} has too little room for another output")
    if job.paused is not None and job.paused.go_on is not None:
        return m.WaitingView("slots", "it is to go on, and waits for its slots")
    if job.paused is not None and job.status == "queued":
        return m.WaitingView("paused", f"{job.paused.by} paused it at {job.paused.at}")
    if job.not_before is not None:
        return m.WaitingView("retry", f"its last attempt failed; the next begins at {job.not_before}")
    return None


def _output_view(output: Output, verify: m.Verify, live: Live | None, *, paused: bool) -> m.OutputView:
    rendering = live is not None and output.status == "rendering"
    return m.OutputView(
        index=output.index,
        name=output.name,
        path=output.path,
        status=output.status,
        progress=live.progress if live and rendering else output.progress,
        speed=live.speed if live and rendering else output.speed,
        eta=live.eta if live and rendering and not paused else None,
        size=output.size,
        duration=output.duration,
        width=output.width,
        height=output.height,
        fps=output.fps,
        started_at=output.started_at,
        finished_at=output.finished_at,
        verify=verify,
    )
