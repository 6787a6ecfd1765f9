"""Jobs that are held where they are: in the queue, or in the middle of a run. All run in the Queue's thread.

A pause is no status: a queued job keeps its place, a running one its child, which is stopped by a signal and can be
told to go on. A running job keeps its slots, too, unless they were given up with the pause: then it goes on when it has
them again, before any job that is queued.
"""

from msgspec.structs import replace

from actors.base import render_address
from actors.jobs import changes
from actors.jobs.model import Job, Pause
from actors.jobs.slots import fits
from actors.jobs.states import is_active
from actors.jobs.turn import Cause, Turn
from actors.mail import PauseRender
from bus import messages as m


def pause(turn: Turn, command: m.Pause, cause: Cause) -> m.PauseResult:
    """Hold a job: a queued one from now on, a running one as soon as its Render has its child stopped."""
    job = _find(turn, command.job_id)
    was = job.paused
    if was is not None and was.go_on is None and (was.released or not command.release):
        return m.PauseResult(turn.view(job), changed=False)
    if was is None:
        held = Pause(by=cause.by or "", command_id=cause.command_id, at=turn.now, released=command.release)
    else:
        held = replace(was, released=was.released or command.release, go_on=None)
    turn.change(job, paused=held)
    if job.status == "queued" or (job.phase == "paused" and was is not None and held.released != was.released):
        _tell_paused(turn, job, cause)
    elif job.phase != "paused":
        turn.mail(render_address(job.id), PauseRender(run=job.runs, paused=held.mark))
    turn.save(job)
    return m.PauseResult(turn.view(job), changed=True)


def _find(turn: Turn, job_id: str) -> Job:
    """A job that can be paused, or was."""
    job = changes.find(turn, job_id)
    if job.phase == "stopping":
        raise changes.refuse(turn, job, "it is being stopped")
    if not is_active(job.status):
        raise changes.refuse(turn, job, "only a queued or running job can be paused, or go on")
    return job


def taken(turn: Turn, job: Job) -> None:
    """A Render holds its child, and the job is still to be paused."""
    if job.phase not in ("paused", "stopping"):
        turn.change(job, phase="paused")
        assert job.paused is not None
        _tell_paused(turn, job, Cause(job.paused.by, job.paused.command_id))
        turn.save(job)


def gone_back(turn: Turn, job: Job) -> None:
    """A run is over, and its job is queued again: where a pause, or its end, had still to come, it has now.

    Told after `job.requeued`: it takes no slots to go on, as it would in a run.
    """
    if job.paused is not None and job.paused.go_on is not None:
        _go_on(turn, job, Cause(*job.paused.go_on))
    elif job.paused is not None and not _is_told(turn, job):
        _tell_paused(turn, job, Cause(job.paused.by, job.paused.command_id))
        turn.save(job)


def _is_told(turn: Turn, job: Job) -> bool:
    kinds = [event.type for event in turn.history(job) if event.type in ("job.paused", "job.unpaused")]
    return kinds[-1:] == ["job.paused"]


def _tell_paused(turn: Turn, job: Job, cause: Cause) -> None:
    assert job.paused is not None
    turn.event("job.paused", {"released": job.paused.released}, job=job, cause=cause)
    turn.log("job_paused", job_id=job.id, by=cause.by)


def unpause(turn: Turn, command: m.Unpause, cause: Cause) -> m.PauseResult:
    """Let a job go on; one that gave up its slots when it has them again."""
    job = _find(turn, command.job_id)
    if job.paused is None or job.paused.go_on is not None:
        return m.PauseResult(turn.view(job), changed=False)
    if job.gave_up_slots:
        turn.change(job, paused=replace(job.paused, go_on=(cause.by or "", cause.command_id)))
        turn.save(job)
    else:
        _go_on(turn, job, cause)
    return m.PauseResult(turn.view(job), changed=True)


def go_on_where_there_are_slots(turn: Turn) -> None:
    """Let jobs go on that gave up their slots and are to have them again, in the order of their submission."""
    free = turn.ledger.free()
    for job_id, need in turn.ledger.coming_back().items():
        has_room = fits(need, free)
        free.subtract(need)  # one that does not fit keeps what it needs from those behind it
        if has_room:
            job = changes.find(turn, job_id)
            assert job.paused is not None
            assert job.paused.go_on is not None
            _go_on(turn, job, Cause(*job.paused.go_on))


def _go_on(turn: Turn, job: Job, cause: Cause) -> None:
    phase = job.phase
    if phase == "paused":
        phase = "rendering" if any(output.status == "rendering" for output in job.outputs) else "starting"
    turn.change(job, paused=None, phase=phase)
    turn.event("job.unpaused", {}, job=job, cause=cause)
    turn.log("job_unpaused", job_id=job.id, by=cause.by)
    turn.save(job)
    if job.status == "processing":
        turn.mail(render_address(job.id), PauseRender(run=job.runs, paused=None))
