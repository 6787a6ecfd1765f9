"""Why a job is where it is. All in the Queue's thread."""

from actors.jobs import estimate, waits
from actors.jobs.model import Job
from actors.jobs.slots import fits, need_of
from actors.jobs.turn import Turn
from bus import messages as m


def explain(turn: Turn, job: Job, work: str, *, is_full: bool) -> m.WhyResult:
    """What holds the job, or what it came to. `work`: the daemon's own folder; `is_full`: so is its disk."""
    view = turn.placed(job)
    ahead = None if view.position is None else view.position - 1
    when = None
    if job.status == "queued":
        held = _held(turn, job, work, is_full=is_full)
        reasons = held + _before_it(turn, job, ahead or 0)
        when = None if held else estimate.of_queued(turn, job, ahead or 0)
    elif job.status == "processing":
        reasons = [_running(turn, job, view)]
        when = estimate.of_running(turn, job)
    else:
        reasons = [_ended(job)]
    return m.WhyResult(job=view, reasons=reasons, ahead=ahead, estimate=when)


# ---------------------------------------------------------------- reasons


def _held(turn: Turn, job: Job, work: str, *, is_full: bool) -> list[m.ReasonView]:
    """What keeps a queued job from starting, whoever is before it."""
    ledger, reasons = turn.ledger, []
    if ledger.stopping:
        reasons.append(m.ReasonView("stopping", "the daemon is stopping, and starts no further job"))
    if ledger.draining:
        reasons.append(m.ReasonView("draining", "the daemon is draining: no job is started until `rushes resume`"))
    if is_full:
        reasons.append(m.ReasonView("disk", "the daemon's own disk is full; nothing is started until it has room"))
    if work in ledger.low_folders:
        reasons.append(m.ReasonView("disk", f"{work} has too little room for the notes of another run"))
    if job.paused is not None:
        text = f"{job.paused.by} paused it at {job.paused.at}; `rushes unpause` lets it go on"
        reasons.append(m.ReasonView("paused", text))
    folder = waits.folder_of(job)
    if folder in ledger.low_folders:
        text = f"{folder} has too little room for another output (`min_free`); it starts once there is more"
        reasons.append(m.ReasonView("disk", text))
    if job.not_before is not None:
        text = f"attempt {job.attempts} failed{_last_fault(turn, job)}; the next begins at {job.not_before}"
        reasons.append(m.ReasonView("retry", text))
    reasons += [m.ReasonView("slots", text) for text in _too_much(turn, job)]
    return reasons


def _last_fault(turn: Turn, job: Job) -> str:
    """What the last attempt of a job failed of: only its events say so while it waits for the next."""
    errors = [event.data["error"] for event in turn.history(job) if event.data.get("why") == "attempt"]
    return f" ({errors[-1]['code']}: {errors[-1]['message']})" if errors else ""


def _too_much(turn: Turn, job: Job) -> list[str]:
    """Of which resources it takes more than there is."""
    slots = turn.ledger.slots
    return [
        f"it takes {count} {name}, and there are {slots[name]} in all; `rushes slots` changes that"
        if name in slots
        else f"it takes {count} {name}, which the daemon's configuration does not name any more"
        for name, count in need_of(job.shape).items()
        if count > slots.get(name, 0)
    ]


def _before_it(turn: Turn, job: Job, ahead: int) -> list[m.ReasonView]:
    """What a queued job has to wait for in any case."""
    ledger, need, slots = turn.ledger, need_of(job.shape), turn.ledger.slots
    free, first = ledger.free(), len(ledger.coming_back())
    reasons = []
    if ahead:
        noun = "job is" if ahead == 1 else "jobs are"
        reasons.append(m.ReasonView("queue", f"{ahead} {noun} before it in the queue"))
    lacking = [name for name, count in need.items() if free[name] < count <= slots.get(name, 0)]
    if lacking:
        taken = ", ".join(f"{ledger.used[name]} of {slots[name]} {name}" for name in lacking)
        reasons.append(m.ReasonView("slots", f"{taken} taken by running jobs"))
    if first and not fits(need, ledger.free_for_queue()):
        noun = "paused job is" if first == 1 else "paused jobs are"
        reasons.append(m.ReasonView("slots", f"{first} {noun} to go on first"))
    return reasons


def _running(turn: Turn, job: Job, view: m.JobView) -> m.ReasonView:
    if job.phase == "stopping" and job.cancel is not None:
        text = f"{job.cancel.by} cancelled it at {job.cancel.at} ({job.cancel.reason}); FFmpeg has not ended yet"
        return m.ReasonView("stopping", text)
    if job.phase == "stopping":
        return m.ReasonView("stopping", "the daemon is stopping; it is queued again when FFmpeg has ended")
    if job.phase == "paused" and job.paused is not None:
        then = "`rushes unpause` lets it go on"
        if job.paused.go_on:
            then = "; ".join(_too_much(turn, job)) or "it goes on when it has its slots"
        return m.ReasonView("paused", f"{job.paused.by} paused it at {job.paused.at}; {then}")
    output = next((output for output in view.outputs if output.status == "rendering"), None)
    if output is None:
        return m.ReasonView("running", "FFmpeg is about to start")
    which = f"output {output.index + 1} of {view.total_outputs}, {output.path}"
    if view.phase == "finishing":
        return m.ReasonView("finishing", f"{which}, is encoded; its file is being finished and proved")
    text = f"FFmpeg makes {which}"
    if output.progress is not None:
        text += f": {int(output.progress * 100)}%"
    if output.speed is not None:
        text += f", {output.speed:.2f} x real time"
    return m.ReasonView("running", text)


def _ended(job: Job) -> m.ReasonView:
    if job.error is not None:
        remedy = f"; {job.error.remedy}" if job.error.remedy else ""
        return m.ReasonView(job.error.code, f"{job.error.message}{remedy}")
    if job.cancel is not None:
        notes = f": {job.cancel.notes}" if job.cancel.notes else ""
        return m.ReasonView("cancelled", f"{job.cancel.by} cancelled it ({job.cancel.reason}{notes})")
    made = "its output" if len(job.outputs) == 1 else f"all of its {len(job.outputs)} outputs"
    return m.ReasonView("completed", f"it made {made}")
