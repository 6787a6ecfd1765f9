"""What the bus shows of a job: the structs in replies and events. A reader tolerates fields that it does not know."""

from typing import Literal

from msgspec import Struct

from bus.spec import Verify

JobStatus = Literal["queued", "processing", "completed", "failed", "cancelled"]
OutputStatus = Literal["pending", "rendering", "completed", "failed", "cancelled"]
Phase = Literal["starting", "rendering", "finishing", "stopping", "paused"]
STATUSES: tuple[JobStatus, ...] = ("queued", "processing", "completed", "failed", "cancelled")


class CancelView(Struct, frozen=True):
    """Who wished the job to stop, and why."""

    by: str
    reason: str
    notes: str | None
    at: str


class ErrorView(Struct, frozen=True):
    """Why a job failed, whether another attempt can help, and what a person can do."""

    code: str
    message: str
    retryable: bool
    remedy: str | None = None


class WaitingView(Struct, frozen=True):
    """Why a job does not run though a slot may be free. `why`: `retry` (until `not_before`), `disk`, `paused`, or
    `slots` (it is to go on after a pause, when it has those again that it gave up)."""

    why: Literal["retry", "disk", "paused", "slots"]
    message: str


class PauseView(Struct, frozen=True):
    """Who holds the job where it is. `released`: while it runs, others may have its slots."""

    by: str
    at: str
    released: bool


class OutputView(Struct, frozen=True, kw_only=True):
    """One output. `size` is bytes, `duration` and `eta` seconds, `speed` a multiple of real time."""

    index: int
    name: str | None
    path: str
    status: OutputStatus
    progress: float | None
    speed: float | None
    eta: float | None
    size: int | None
    duration: float | None
    width: int | None
    height: int | None
    fps: float | None
    started_at: str | None
    finished_at: str | None
    verify: Verify = "full"


class JobView(Struct, frozen=True, kw_only=True):
    """A job as the bus shows it. Times are RFC 3339 UTC; `progress` is 0 to 1, nil when not known."""

    id: str
    seq: int
    name: str | None
    session: str | None
    priority: int
    metadata: dict[str, str]
    status: JobStatus
    phase: Phase | None
    position: int | None
    progress: float | None
    attempts: int
    max_attempts: int
    submitted_by: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    cancelled_at: str | None
    expires_at: str | None
    cancel: CancelView | None
    error: ErrorView | None
    outputs: list[OutputView]
    completed_outputs: int
    total_outputs: int
    not_before: str | None = None
    waiting: WaitingView | None = None
    resources: dict[str, int] | None = None
    paused: PauseView | None = None


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One command that would change something, and what came of it (`outcome`: `ok` or an error's code)."""

    seq: int
    at: str
    by: str
    type: str
    job_id: str | None
    command_id: str
    outcome: str
    message: str | None
