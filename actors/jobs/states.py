"""The states of a job as one pure table. Nothing else in the code decides where a job may go."""

QUEUED = "queued"
PROCESSING = "processing"
COMPLETED = "completed"
FAILED = "failed"
CANCELLED = "cancelled"

STATUSES = (QUEUED, PROCESSING, COMPLETED, FAILED, CANCELLED)

START, COMPLETE, FAIL, CANCEL, RETRY, REQUEUE = "start", "complete", "fail", "cancel", "retry", "requeue"

TABLE = {
    (QUEUED, START): PROCESSING,
    (QUEUED, CANCEL): CANCELLED,
    (PROCESSING, COMPLETE): COMPLETED,
    (PROCESSING, FAIL): FAILED,
    (PROCESSING, CANCEL): CANCELLED,
    (PROCESSING, REQUEUE): QUEUED,
    (FAILED, RETRY): QUEUED,
}

DESCRIPTIONS = {
    QUEUED: "waits for a slot",
    PROCESSING: "is being rendered",
    COMPLETED: "is done",
    FAILED: "has failed",
    CANCELLED: "was cancelled",
}


class IllegalMove(Exception):
    """A job was to go where the table does not lead."""


def next_status(status: str, trigger: str) -> str:
    """Where `trigger` takes a job that is `status`. Raises `IllegalMove` where the table has no way."""
    try:
        return TABLE[status, trigger]
    except KeyError:
        raise IllegalMove(f"a job that is {status} cannot {trigger}") from None


def can_transition(status: str, to: str) -> bool:
    """True where one move leads from `status` to `to`."""
    return any(source == status and target == to for (source, _), target in TABLE.items())


def can_retry(status: str) -> bool:
    """True where `retry` is allowed."""
    return (status, RETRY) in TABLE


def is_terminal(status: str) -> bool:
    """True where no move leads away."""
    return not any(source == status for source, _ in TABLE)


def is_active(status: str) -> bool:
    """True where the job is waiting or running: its outputs' paths are taken."""
    return status in (QUEUED, PROCESSING)


def is_ended(status: str) -> bool:
    """True where nothing happens until somebody asks for it: terminal, or failed. Here a `wait` ends."""
    return not is_active(status)


def describe(status: str) -> str:
    """The status in words, to go after "the job"."""
    return DESCRIPTIONS[status]
