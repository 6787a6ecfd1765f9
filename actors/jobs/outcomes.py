"""What Renders and the Janitor report, and what that makes of a job. All run in the Queue's thread.

News of an earlier run, or of a job that is not processing any more, is stale: it comes from a Render that had
reported before, and nothing depends on it.
"""

import signal

from actors.base import JANITOR, RENDER_PREFIX, SUPERVISOR, render_address
from actors.ffmpeg.failure import error
from actors.jobs import changes, pauses, waits
from actors.jobs.model import Job, Output
from actors.jobs.states import COMPLETE, FAIL, REQUEUE, START
from actors.jobs.turn import Cause, Turn
from actors.mail import (
    ActorRestarted,
    FilesRemoved,
    OrphanedFolders,
    OutputCompleted,
    OutputStarted,
    Paused,
    PauseRender,
    Progressed,
    RenderEnded,
    Signalled,
    StartRender,
    StopRender,
    StopWhy,
    WorkFolders,
)
from bus import messages as m

RENDER_DEATHS = 2
"""So many deaths in one attempt end the job: a defect that it brings out costs that job, not the daemon."""

WHY_AGAIN = {"stopped": "stop", "lost": "recovery", "no_room": "disk"}
"""How a Render ended, and why its job is queued again."""

DEFECT = "a defect of Rushes showed twice while it rendered this job; the daemon's log has the traceback"


def current(turn: Turn, job_id: str, run: int) -> Job | None:
    """The job that news of this run is about, None where the news is stale."""
    if job_id not in turn.ledger.running:
        return None
    job = turn.store.job(job_id)
    return job if job is not None and job.runs == run else None


def start(turn: Turn, job: Job) -> None:
    """The job gets a slot."""
    turn.move(job, START)
    job.runs += 1
    job.attempts += 1
    job.started_at = turn.now
    turn.event("job.started", {"attempt": job.attempts}, job=job)
    turn.save(job)
    turn.log("job_started", job_id=job.id, run=job.runs, attempt=job.attempts)
    order(turn, job)


def order(turn: Turn, job: Job, discard: m.ErrorView | None = None) -> None:
    """Have a Render work at the job, take over what an earlier one began, or end that."""
    turn.mail(
        SUPERVISOR,
        StartRender(
            job_id=job.id,
            run=job.runs,
            spec=job.spec,
            pending=job.pending,
            stop=stop_wish(turn, job),
            paused=held_by(job),
            discard=discard,
        ),
    )


def stop_wish(turn: Turn, job: Job) -> StopWhy | None:
    """Why the job's child is to stop, if it is. A stop that an earlier daemon had begun is brought to its end."""
    if job.cancel is not None:
        return "cancel"
    return "stop" if turn.ledger.stopping == "stop" or job.phase == "stopping" else None


def held_by(job: Job) -> str | None:
    """The mark of the pause that the job's child is to be held by, None where it is to run."""
    if job.paused is None or not (job.paused.go_on is None or job.gave_up_slots):
        return None
    return job.paused.mark


def output_started(turn: Turn, news: OutputStarted) -> None:
    """FFmpeg runs. Adopted children are told of again; that is no event."""
    job = current(turn, news.job_id, news.run)
    if job is None:
        return
    if news.is_adopted and turn.ledger.tally is not None:
        turn.ledger.tally.note_adopted()
    why = stop_wish(turn, job)
    if why is not None:
        # The wish may have been sent before this Render could be reached.
        turn.mail(render_address(job.id), StopRender(run=job.runs, why=why))
    elif (pause := held_by(job)) is not None:
        turn.mail(render_address(job.id), PauseRender(run=job.runs, paused=pause))
    output = job.outputs[news.index]
    if output.status == "rendering":
        return
    output.status, output.started_at = "rendering", turn.now
    if job.phase == "starting":
        job.phase = "rendering"
    turn.store.start_attempt(job, output.index, turn.now)
    data = {"index": output.index, "name": output.name, "path": output.path, "run": job.runs}
    turn.event("job.output_started", data, job=job)
    turn.store.save(job, output)
    turn.log("output_started", job_id=job.id, output=output.index, run=job.runs)


def progressed(turn: Turn, news: Progressed) -> None:
    """Not worth a disk write: shown, told and forgotten."""
    live = news.live
    job = current(turn, live.job_id, live.run)
    if job is None or job.outputs[live.index].is_complete:
        return
    before = turn.ledger.live.get(job.id)
    turn.show(job, live)
    if live.phase == "finishing" or (before is not None and before == live and live.phase == "stopping"):
        return  # comes between two reports; at most two events a second are promised
    turn.ephemeral(
        "job.progress",
        {
            "progress": turn.view(job).progress,
            "phase": live.phase,
            "index": live.index,
            "output_progress": live.progress,
            "speed": live.speed,
            "eta": live.eta,
            "frame": news.frame,
            "fps": news.fps,
            "out_time": news.out_time,
            "size": news.size,
        },
        job,
    )


def paused(turn: Turn, news: Paused) -> None:
    """The child is held where it is. A Render may not have heard yet that the job was to go on, or was paused again."""
    job = current(turn, news.job_id, news.run)
    if job is None:
        return
    if held_by(job) == news.paused:
        pauses.taken(turn, job)
    elif stop_wish(turn, job) is None:
        turn.mail(render_address(job.id), PauseRender(run=job.runs, paused=held_by(job)))


def signalled(turn: Turn, news: Signalled) -> None:
    """A rung of the ladder was taken."""
    job = current(turn, news.job_id, news.run)
    if job is None:
        return
    cause = Cause(job.cancel.by, job.cancel.command_id) if job.cancel else Cause()
    data = {"index": news.index, "stage": news.stage, "after": news.after}
    turn.event("job.signalled", data, job=job, cause=cause)
    turn.store.save(job)
    turn.log("child_signalled", job_id=job.id, output=news.index, run=job.runs, stage=news.stage)


def output_completed(turn: Turn, news: OutputCompleted) -> None:
    """An output is proved; with the last one, the job is complete, whatever was wished meanwhile."""
    job = current(turn, news.job_id, news.run)
    if job is None or job.outputs[news.index].is_complete:
        return
    output, facts = job.outputs[news.index], news.facts
    output.status, output.progress, output.finished_at = "completed", 1.0, turn.now
    output.started_at = output.started_at or turn.now
    output.size, output.duration, output.speed = facts.size, facts.duration, facts.speed
    output.width, output.height, output.fps, output.file = facts.width, facts.height, facts.fps, facts.file
    turn.show(job, None)
    turn.store.end_attempt(job, output.index, turn.now, "completed", 0)
    data = {
        "index": output.index, "name": output.name, "path": output.path, "size": facts.size,
        "duration": facts.duration, "width": facts.width, "height": facts.height, "fps": facts.fps,
        "verify": job.spec.outputs[output.index].verify,
    }  # fmt: skip
    turn.event("job.output_completed", data, job=job)
    turn.log(
        "output_completed", job_id=job.id, output=output.index, run=job.runs, path=output.path, size=facts.size,
        duration=facts.duration,
    )  # fmt: skip
    if job.pending:
        turn.store.save(job, output)
    else:
        complete(turn, job)


def complete(turn: Turn, job: Job) -> None:
    """All outputs are proved. A cancel that was wished for came too late, and the event says so."""
    late, job.cancel = job.cancel, None
    turn.move(job, COMPLETE)
    job.error = None
    cause = Cause(late.by, late.command_id) if late else Cause()
    data: dict[str, object] = {"cancel_too_late": late.view() if late else None}
    turn.event("job.completed", data, job=job, cause=cause)
    turn.save(job)
    turn.log("job_completed", job_id=job.id, run=job.runs)
    changes.begin_removal(turn, job)


def ended(turn: Turn, news: RenderEnded) -> None:
    """No child runs and no partial is left: decide what the job has come to."""
    job = current(turn, news.job_id, news.run)
    if job is None:
        return
    output = job.outputs[news.index] if news.index is not None else None
    if output is not None:
        _end_output(turn, job, output, news)
    turn.show(job, None)
    if job.cancel is not None:
        changes.end_cancelled(turn, job, stop_trace(turn, job, news))
    elif news.error is not None:
        _failed(turn, job, news, output)
    else:
        turn.move(job, REQUEUE)
        job.attempts = max(job.attempts - 1, job.attempts_base)  # it was not the job's own doing
        if news.room is not None:
            waits.no_room(turn, job, news.room)
        changes.requeue(turn, job, WHY_AGAIN[news.how])
        pauses.gone_back(turn, job)


def stop_trace(turn: Turn, job: Job, news: RenderEnded) -> dict[str, object]:
    """How a job was stopped: each rung of the ladder, how the child ended, what was removed and what was kept."""
    rungs: list[dict[str, object]] = []
    for event in turn.history(job):
        if event.type == "job.started":
            rungs = []
        elif event.type == "job.signalled":
            rungs.append({"stage": event.data["stage"], "at": event.at, "after": event.data["after"]})
    status = news.exit_status
    return {
        "rungs": rungs,
        "exit_status": status if status is not None and status >= 0 else None,
        "signal": signal.Signals(-status).name if status is not None and status < 0 else None,
        "removed": news.removed,
        "kept": [output.path for output in job.outputs if output.is_complete],
    }


def _end_output(turn: Turn, job: Job, output: Output, news: RenderEnded) -> None:
    live = turn.ledger.live.get(job.id)
    if live is not None and live.index == output.index:
        output.progress, output.speed = live.progress, live.speed
    output.finished_at = turn.now
    outcome = news.error.code if news.error else news.how
    turn.store.end_attempt(job, output.index, turn.now, outcome, news.exit_status)


def _failed(turn: Turn, job: Job, news: RenderEnded, output: Output | None) -> None:
    why = news.error
    assert why is not None
    if why.retryable and job.attempts - job.attempts_base < job.spec.max_attempts:
        turn.move(job, REQUEUE)
        waits.after_failure(turn, job)
        changes.requeue(turn, job, "attempt", fault=why, attempt=job.attempts, not_before=job.not_before)
        pauses.gone_back(turn, job)
        return
    turn.move(job, FAIL)
    job.error = why
    if output is not None:
        output.status = "failed"
    data = {"error": why, "index": output.index if output else None, "stop": stop_trace(turn, job, news)}
    turn.event("job.failed", data, job=job)
    turn.save(job)
    turn.log(
        "job_failed",
        job_id=job.id,
        run=job.runs,
        output=news.index,
        code=why.code,
        message=why.message,
        retryable=why.retryable,
    )
    changes.begin_removal(turn, job)


def actor_restarted(turn: Turn, news: ActorRestarted) -> None:
    """An actor had died and lives again; a Render does once it is ordered anew."""
    turn.event("daemon.actor_restarted", {"address": news.address, "error": news.error})
    job = current(turn, news.address.removeprefix(RENDER_PREFIX), news.run) if news.run is not None else None
    if job is not None:
        deaths = turn.render_died(job)
        order(turn, job, error("internal", DEFECT) if deaths >= RENDER_DEATHS else None)


def recover(turn: Turn) -> None:
    """What a daemon that ended in the middle had left: take over what runs, go on removing what was being removed."""
    changes.forget_slots(turn)
    for job in turn.store.processing():
        if not job.pending:
            complete(turn, job)
        else:
            order(turn, job)
    waits.resume(turn)
    employ_janitor(turn)


def janitor_begins(turn: Turn, news: WorkFolders) -> None:
    """A Janitor has begun, perhaps in the place of one that had not done all."""
    turn.mail(JANITOR, OrphanedFolders(job_ids=turn.store.unknown(news.job_ids)))
    employ_janitor(turn)


def employ_janitor(turn: Turn) -> None:
    """Tell the Janitor all that it has to do. What is removed already is no error."""
    for job in turn.store.deleting():
        changes.begin_removal(turn, job)
    waits.watch_rooms(turn)


def removed(turn: Turn, news: FilesRemoved) -> m.DeleteResult | None:
    """The files are gone: so is the job now. The result, for whoever waits for it."""
    job = turn.store.job(news.job_id)
    if job is None or job.deleting is None:
        return None
    kind, cause = job.deleting.kind, Cause(job.deleting.by, job.deleting.command_id)
    data: dict[str, object] = {
        "removed": news.removed, "missing": news.missing, "failed": news.failed, "status": job.status,
    }  # fmt: skip
    if kind == "expired":
        data["why"] = job.deleting.why
    turn.event(f"job.{kind}", data, job=job, cause=cause)
    turn.count(job, -1)
    turn.store.remove(job)
    turn.log(
        "job_expired" if kind == "expired" else "job_deleted",
        job_id=job.id, by=cause.by, removed=news.removed, missing=news.missing,
        failed=[failed.path for failed in news.failed],
    )  # fmt: skip
    return m.DeleteResult(
        job_id=job.id, status="deleted", deleted_at=turn.now, removed=news.removed, missing=news.missing,
        failed=news.failed,
    )  # fmt: skip
