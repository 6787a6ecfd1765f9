"""Views and events with fixed ids and times, as a daemon sends them: what a reader of the bus is shown in tests."""

from typing import Any

import msgspec

from bus.messages import CancelView, ErrorView, Event, JobView, OutputView, StatusResult

DAY = "2026-03-01"


def at(clock: str) -> str:
    """A time of the wire on the one day that these tests know."""
    return f"{DAY}T{clock}.000000Z"


def output_view(path: str, **more: Any) -> OutputView:
    """An output that is not begun, unless `more` says otherwise."""
    blank: dict[str, Any] = dict.fromkeys(OutputView.__struct_fields__)
    return OutputView(**{**blank, "index": 0, "path": path, "status": "pending", "verify": "full", **more})


def job_view(job_id: str, *outputs: OutputView, **more: Any) -> JobView:
    """A queued job, unless `more` says otherwise; its id is filled up to a whole one."""
    blank: dict[str, Any] = dict.fromkeys(JobView.__struct_fields__)
    made = list(outputs) or [output_view(f"/out/{job_id}.mp4")]
    facts = {
        "id": job_id.ljust(16, "x"), "seq": 1, "priority": 0, "metadata": {}, "status": "queued", "attempts": 0,
        "max_attempts": 1, "submitted_by": "kim", "created_at": at("03:00:00"), "outputs": made,
        "completed_outputs": sum(output.status == "completed" for output in made), "total_outputs": len(made),
    }  # fmt: skip
    return JobView(**{**blank, **facts, **more})


def event(seq: int | None, kind: str, job_id: str | None = None, *, by: str | None = None, **data: Any) -> Event:
    """An event of the wire; `data` may hold views."""
    job = None if job_id is None else job_id.ljust(16, "x")
    return Event(
        seq=seq, at=at("03:10:00"), type=kind, job_id=job, session=None, by=by, command_id=None,
        data=msgspec.to_builtins(data),
    )  # fmt: skip


def status_result(last_seq: int, **counts: int) -> StatusResult:
    """A daemon with four slots."""
    every = {"queued": 0, "processing": 0, "completed": 0, "failed": 0, "cancelled": 0, **counts}
    return StatusResult(
        version="0.1.0", pid=4242, started_at=at("01:00:00"), uptime=7200.0, slots=4, running=every["processing"],
        queued=every["queued"], draining=False, last_seq=last_seq, epoch="e", counts=every,
    )  # fmt: skip


def failed(job_id: str, code: str, message: str, **more: Any) -> JobView:
    """A job that has failed."""
    error = ErrorView(code, message, retryable=False)
    return job_view(job_id, status="failed", error=error, finished_at=at("03:05:00"), **more)


def cancelled(job_id: str, reason: str, by: str, **more: Any) -> JobView:
    """A job that somebody stopped."""
    cancel = CancelView(by, reason, None, at("03:04:00"))
    return job_view(job_id, status="cancelled", cancel=cancel, finished_at=at("03:04:01"), **more)
