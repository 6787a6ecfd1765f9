"""What each command changes: one function a command, from the command and a turn to its result.

Each checks first and changes after, so that a refusal leaves nothing behind. All run in the Queue's thread.
"""

from collections.abc import Sequence

import msgspec

from actors import logs
from actors.base import JANITOR, render_address
from actors.jobs import admit
from actors.jobs.admit import Admitted
from actors.jobs.ledger import DRAINING, FRONT_RANK, SLOTS, Ledger
from actors.jobs.model import CancelWish, Deleting, Job, Output
from actors.jobs.slots import MAX_SHAPES, shape_of, with_setting
from actors.jobs.states import CANCEL, RETRY, can_retry, describe, is_active
from actors.jobs.turn import NOBODY, Cause, Turn
from actors.mail import RemoveFiles, StopRender
from bus import messages as m
from bus.errors import Conflict, Invalid, NotFound
from bus.limits import MAX_PRIORITY, MIN_PRIORITY

DELETE_REASON = "delete"
"""The reason of the cancel that a forced delete begins with."""


def find(turn: Turn, job_id: str) -> Job:
    """The job, or `NotFound`."""
    job = turn.store.job(job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id}", {"job_id": job_id})
    return job


def refuse(turn: Turn, job: Job, wish: str) -> Conflict:
    """The `conflict` for a wish that the job's state does not allow."""
    return Conflict(f"the job {describe(job.status)}; {wish}", {"job": turn.view(job)})


def submit(turn: Turn, job: Admitted, cause: Cause) -> m.JobResult:
    """A new job at the end of its priority, which the Admission actor found good."""
    spec, outputs, asked_as = job
    check_resources(spec, turn.ledger)
    _check_not_taken(turn, outputs, asked_as)
    shape = shape_of(spec.resources)
    check_shape(turn, shape)
    turn.ledger.number += 1
    number = turn.ledger.number
    new = Job(
        number=number, id=next(turn.ledger.ids), priority=spec.priority, rank=number, name=spec.name,
        session=spec.session, spec_json=msgspec.json.encode(spec), submitted_by=cause.by or "", created_at=turn.now,
        shape=shape, outputs=outputs,
    )  # fmt: skip
    new.__dict__["spec"] = spec  # the cached property, which would decode it again
    turn.count(new, 1)
    data = {"name": new.name, "priority": new.priority, "outputs": [output.path for output in outputs]}
    turn.event("job.submitted", data, job=new, cause=cause)
    turn.store.add(new)
    return m.JobResult(turn.view(new, turn.ledger.last_position(new.priority)))


def _check_not_taken(
    turn: Turn, outputs: Sequence[Output], asked_as: Sequence[int] = (), besides: int | None = None
) -> None:
    """Refuse outputs that another active job than number `besides` is to write. Raises `Conflict`."""

    def holder(target: str) -> m.JobView | None:
        job_id = turn.store.taken_by(target, besides)
        return turn.view(find(turn, job_id)) if job_id else None

    admit.check_not_taken(outputs, holder, asked_as)


def check_resources(spec: m.JobSpec, ledger: Ledger) -> None:
    """Refuse a job that would never start: it takes more than there is and than the configuration says."""
    most = {name: max(total, ledger.settings.slots.get(name, 0)) for name, total in ledger.slots.items()}
    for name, count in (spec.resources or {}).items():
        if count > most.get(name, 0):
            there = ", ".join(f"{name} {total}" for name, total in sorted(most.items()))
            raise Invalid.at(f"job.resources.{name}", f"it takes {count} of {name!r}; the slots here are: {there}")


def check_shape(turn: Turn, shape: str) -> None:
    """Refuse a job that differs in what it takes from too many others that wait; the last check, since it notes it."""
    if shape == shape_of(None) or shape in turn.shapes:
        return
    if len(turn.shapes) >= MAX_SHAPES:
        why = f"jobs that take {MAX_SHAPES} different sets of resources wait already; {shape} would be one more"
        raise Conflict(f"{why}: take what one of them takes, or wait", {"path": "job.resources", "job": None})
    turn.shapes.add(shape)


def cancel(turn: Turn, command: m.Cancel, cause: Cause) -> m.CancelResult:
    """A queued job ends at once; a running one when its child has."""
    job = find(turn, command.job_id)
    if job.status == "cancelled" or (job.status == "processing" and job.cancel is not None):
        return m.CancelResult(turn.view(job), changed=False)
    if not is_active(job.status):
        raise refuse(turn, job, "there is nothing to cancel")
    _cancel(turn, job, command.reason, command.notes, cause)
    return m.CancelResult(turn.view(job), changed=True)


def _cancel(turn: Turn, job: Job, reason: str, notes: str | None, cause: Cause) -> None:
    job.cancel = CancelWish(by=cause.by or "", command_id=cause.command_id, reason=reason, notes=notes, at=turn.now)
    if job.status == "queued":
        end_cancelled(turn, job)
        return
    turn.change(job, phase="stopping")
    turn.event("job.cancelling", {"reason": reason, "notes": notes}, job=job, cause=cause)
    turn.save(job)
    turn.mail(render_address(job.id), StopRender(run=job.runs, why="cancel"))


def end_cancelled(turn: Turn, job: Job, stop: dict[str, object] | None = None) -> None:
    """The job has no child (any more), and somebody wished it to stop; `stop` is how that went, where it had one."""
    assert job.cancel is not None
    turn.move(job, CANCEL)
    job.cancelled_at = turn.now
    turn.reset_outputs(job, "cancelled")
    cause = Cause(job.cancel.by, job.cancel.command_id)
    data = {"reason": job.cancel.reason, "notes": job.cancel.notes, "stop": stop}
    turn.event("job.cancelled", data, job=job, cause=cause)
    turn.save(job)
    turn.log("job_cancelled", job_id=job.id, run=job.runs or None, by=job.cancel.by, reason=job.cancel.reason)
    begin_removal(turn, job)


def delete(turn: Turn, command: m.Delete, cause: Cause) -> m.DeleteResult:
    """Begin a job's removal; the reply in full follows when its files are gone."""
    job = find(turn, command.job_id)
    if is_active(job.status) and not command.force:
        raise refuse(turn, job, "delete it with `force`, which cancels it first")
    if job.deleting is None:
        job.deleting = Deleting(by=cause.by, command_id=cause.command_id, kind="deleted", keep_files=command.keep_files)
        if is_active(job.status) and job.cancel is None:
            _cancel(turn, job, DELETE_REASON, None, cause)
        else:
            turn.save(job)
            begin_removal(turn, job)
    return deleting_result(job.id)


def deleting_result(job_id: str) -> m.DeleteResult:
    """What there is to say of a removal that has not ended."""
    return m.DeleteResult(job_id=job_id, status="deleting", deleted_at=None, removed=[], missing=[], failed=[])


def begin_removal(turn: Turn, job: Job) -> None:
    """Where the job is to go and has no child any more, have the Janitor remove what it made."""
    if job.deleting is None or is_active(job.status):
        return
    files = [] if job.deleting.keep_files else [(o.path, o.file) for o in job.outputs if o.file is not None]
    turn.mail(JANITOR, RemoveFiles(job_id=job.id, files=files))


def boost(turn: Turn, command: m.Boost, cause: Cause) -> m.BoostResult:
    """Another place in the queue."""
    job = find(turn, command.job_id)
    if job.status != "queued":
        raise refuse(turn, job, "only a queued job can be boosted")
    was = job.priority
    priority, rank = _place(turn, job, command)
    turn.change(job, priority=priority, rank=rank)
    data = {"priority": job.priority, "was": was, "front": command.front}
    turn.event("job.boosted", data, job=job, cause=cause)
    turn.store.save(job)
    placed = turn.placed(job)
    return m.BoostResult(placed, placed.position)


def _place(turn: Turn, job: Job, command: m.Boost) -> tuple[int, int]:
    """Priority and rank that a boost gives."""
    if command.front:
        first = turn.store.front()
        assert first is not None, "the job itself is queued"
        if first == (job.priority, job.rank):
            return first
        turn.ledger.front_rank -= 1
        turn.store.set_meta(FRONT_RANK, str(turn.ledger.front_rank))
        return first[0], turn.ledger.front_rank
    if command.priority is not None:
        return command.priority, job.number
    assert command.by is not None
    priority = job.priority + command.by
    if not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        raise Invalid.at(
            "by", f"the priority would be {priority}; it must stay within {MIN_PRIORITY} and {MAX_PRIORITY}"
        )
    return priority, job.number


def retry(turn: Turn, command: m.Retry, cause: Cause) -> m.JobResult:
    """A failed job waits again, for the outputs that are not complete."""
    job = find(turn, command.job_id)
    if not can_retry(job.status):
        raise refuse(turn, job, "only a failed job can be retried")
    if job.deleting is not None:
        raise refuse(turn, job, "it is being deleted")
    wanted = [output for output in job.outputs if not output.is_complete]
    _check_not_taken(turn, wanted, besides=job.number)
    check_shape(turn, job.shape)
    turn.move(job, RETRY)
    job.attempts_base = job.attempts
    requeue(turn, job, "retry", cause)
    return m.JobResult(turn.placed(job))


def requeue(
    turn: Turn, job: Job, why: str, cause: Cause = NOBODY, *, fault: m.ErrorView | None = None, **details: object
) -> None:
    """What goes with every way back into the queue, after the move. `fault`: what an attempt failed of."""
    job.error = job.finished_at = job.expires_at = job.expires_after = None
    turn.reset_outputs(job, "pending")
    told = details if fault is None else {"error": fault, **details}
    turn.event("job.requeued", {"why": why, **told}, job=job, cause=cause)
    turn.save(job)
    turn.log(
        "job_requeued", job_id=job.id, run=job.runs, by=cause.by, why=why, code=fault and fault.code,
        message=fault and fault.message, not_before=job.not_before,
    )  # fmt: skip


def drain(turn: Turn, command: m.Drain | m.Resume, cause: Cause) -> m.DrainResult:
    """Whether further jobs are started, from now on and after a restart."""
    wanted = isinstance(command, m.Drain)
    if turn.ledger.draining != wanted:
        turn.ledger.draining = wanted
        turn.store.set_meta(DRAINING, "1" if wanted else "0")
        turn.event("daemon.draining" if wanted else "daemon.resumed", {}, cause=cause)
    return m.DrainResult(draining=wanted)


def slots(turn: Turn, command: m.SetSlots, cause: Cause) -> m.SlotsResult:
    """How many slots there are, from now on and after a restart, until the configuration says another number."""
    ledger = turn.ledger
    for name in command.slots:
        if name not in ledger.slots:
            known = ", ".join(sorted(ledger.slots))
            raise Invalid.at(f"slots.{name}", f"this daemon has no resource {name!r}; its configuration names: {known}")
    was = dict(ledger.slots)
    ledger.slots |= command.slots
    if ledger.slots != was:
        turn.store.set_meta(SLOTS, with_setting(turn.store.meta(SLOTS), command.slots, ledger.settings.slots))
        turn.event("daemon.slots", {"slots": dict(ledger.slots), "was": was}, cause=cause)
        turn.log("slots_changed", slots=dict(ledger.slots), was=was, by=cause.by)
    return m.SlotsResult(slots=dict(ledger.slots), was=was)


def forget_slots(turn: Turn) -> None:
    """Forget numbers that the configuration has overruled: they are not to come back when it changes again."""
    noted = turn.store.meta(SLOTS)
    counts = with_setting(noted, {}, turn.ledger.settings.slots)
    if noted is not None and noted != counts:
        turn.store.set_meta(SLOTS, counts)


def log_level(turn: Turn, command: m.LogLevel, _cause: Cause) -> m.LogLevelResult:
    """How much the log says, as soon as that is on disk."""
    was = turn.log_level or logs.level()
    turn.log_level = command.level
    return m.LogLevelResult(level=command.level, was=was)
