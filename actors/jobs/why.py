"""Why a job is where it is, and when it may start and end. All in the Queue's thread."""

from actors.jobs import waits
from actors.jobs.model import Job, moment_of, timestamp
from actors.jobs.slots import fits, need_of
from actors.jobs.turn import Turn
from bus import messages as m

RECENT = 50
"""Completed jobs of which the usual time is reckoned: some hours' work, which tells of this machine as it is now."""

LITTLE = 0.02
"""Progress below which a run's own pace says nothing yet."""


def explain(turn: Turn, job: Job, work: str, *, is_full: bool) -> m.WhyResult:
    """What holds the job, or what it came to. `work`: the daemon's own folder; `is_full`: so is its disk."""
    view = turn.placed(job)
    ahead = None if view.position is None else view.position - 1
    estimate = None
    if job.status == "queued":
        held = _held(turn, job, work, is_full=is_full)
        reasons = held + _before_it(turn, job, ahead or 0)
        estimate = None if held else _estimate_of_queued(turn, job, ahead or 0)
    elif job.status == "processing":
        reasons = [_running(job, view)]
        estimate = _estimate_of_running(turn, job)
    else:
        reasons = [_ended(job)]
    return m.WhyResult(job=view, reasons=reasons, ahead=ahead, estimate=estimate)


# ---------------------------------------------------------------- reasons


def _held(turn: Turn, job: Job, work: str, *, is_full: bool) -> list[m.ReasonView]:
    """What keeps a queued job from starting, whoever is before it."""
    ledger, reasons = turn.ledger, []
    if ledger.stopping:
        reasons.append(m.ReasonView("stopping", "the daemon is stopping, and starts no further job"))
    if ledger.draining:
        reasons.append(m.ReasonView("draining", "the daemon starts no further job; `rushes resume` ends that"))
    if is_full:
        reasons.append(m.ReasonView("disk", "the daemon's own disk is full; nothing is started until it has room"))
    if work in ledger.low_folders:
        reasons.append(m.ReasonView("disk", f"{work} has too little room for the notes of another run"))
    if job.paused is not None:
        text = f"{job.paused.by} paused it at {job.paused.at}; `rushes unpause` lets it go on"
        reasons.append(m.ReasonView("paused", text))
    folder = waits.folder_of(job)
    if folder in ledger.low_folders:
        reasons.append(m.ReasonView("disk", f"{folder} has too little room for another output"))
    if job.not_before is not None:
        error = f" ({job.error.code})" if job.error else ""
        text = f"attempt {job.attempts} failed{error}; the next begins at {job.not_before}"
        reasons.append(m.ReasonView("retry", text))
    for name, count in need_of(job.shape).items():
        total = ledger.slots.get(name, 0)
        if count > total:
            text = f"it takes {count} {name}, and there are {total} in all; `rushes slots` changes that"
            reasons.append(m.ReasonView("slots", text))
    return reasons


def _before_it(turn: Turn, job: Job, ahead: int) -> list[m.ReasonView]:
    """What a queued job has to wait for in any case."""
    ledger, need = turn.ledger, need_of(job.shape)
    free = ledger.free()
    reasons = []
    if ahead:
        noun = "job is" if ahead == 1 else "jobs are"
        reasons.append(m.ReasonView("queue", f"{ahead} {noun} before it in the queue"))
    if not fits(need, free):
        taken = ", ".join(f"{ledger.used[name]} of {ledger.slots.get(name, 0)} {name}" for name in need)
        reasons.append(m.ReasonView("slots", f"{taken} taken by what runs ({len(ledger.running)})"))
    return reasons


def _running(job: Job, view: m.JobView) -> m.ReasonView:
    if job.phase == "stopping" and job.cancel is not None:
        text = f"{job.cancel.by} cancelled it at {job.cancel.at} ({job.cancel.reason}); FFmpeg has not ended yet"
        return m.ReasonView("stopping", text)
    if job.phase == "stopping":
        return m.ReasonView("stopping", "the daemon is stopping; it is queued again when FFmpeg has ended")
    if job.phase == "paused" and job.paused is not None:
        then = "it goes on when it has its slots" if job.paused.go_on else "`rushes unpause` lets it go on"
        return m.ReasonView("paused", f"{job.paused.by} paused it at {job.paused.at}; {then}")
    output = next((output for output in view.outputs if output.status == "rendering"), None)
    if output is None:
        return m.ReasonView("running", "FFmpeg is about to start")
    text = f"FFmpeg makes output {output.index + 1} of {view.total_outputs}, {output.path}"
    if output.progress is not None:
        text += f": {output.progress:.0%}"
    if output.speed is not None:
        text += f", {output.speed:.2f} x real time"
    return m.ReasonView("finishing" if view.phase == "finishing" else "running", text)


def _ended(job: Job) -> m.ReasonView:
    if job.error is not None:
        remedy = f"; {job.error.remedy}" if job.error.remedy else ""
        return m.ReasonView(job.error.code, f"{job.error.message}{remedy}")
    if job.cancel is not None:
        notes = f": {job.cancel.notes}" if job.cancel.notes else ""
        return m.ReasonView("cancelled", f"{job.cancel.by} cancelled it ({job.cancel.reason}{notes})")
    return m.ReasonView("completed", f"every output is proved ({len(job.outputs)})")


# ---------------------------------------------------------------- estimates


class _Usual:
    """What jobs took here lately. `seconds` of one output; None where nothing has completed yet."""

    def __init__(self, turn: Turn) -> None:
        runs = turn.store.recent_runs(RECENT)
        outputs = sum(outputs for _, outputs in runs)
        self.jobs = len(runs)
        self.seconds = sum(seconds for seconds, _ in runs) / outputs if outputs else None

    @property
    def basis(self) -> str:
        """In words."""
        jobs = "job" if self.jobs == 1 else f"{self.jobs} jobs"
        return f"the last {jobs} to complete took {self.seconds or 0:.1f} s an output"


def _estimate_of_queued(turn: Turn, job: Job, ahead: int) -> m.EstimateView | None:
    usual, ledger = _Usual(turn), turn.ledger
    if usual.seconds is None:
        return None
    mine = usual.seconds * len(job.pending)
    wait = 0.0
    if ahead or not fits(need_of(job.shape), ledger.free()):
        lanes = max(1, min(ledger.slots[name] // count for name, count in need_of(job.shape).items()))
        running = [_left(turn, other, usual.seconds) for other in turn.store.processing()]
        known = [left for left in running if left is not None]
        if len(known) < len(running):
            return None
        wait = (sum(known) + ahead * mine) / lanes
    return m.EstimateView(start=timestamp(wait), end=timestamp(wait + mine), basis=usual.basis)


def _estimate_of_running(turn: Turn, job: Job) -> m.EstimateView | None:
    usual = _Usual(turn)
    left = _left(turn, job, usual.seconds)
    if left is None:
        return None
    progress = turn.view(job).progress or 0.0
    basis = usual.basis if progress < LITTLE else f"its own pace: {progress:.0%} done"
    return m.EstimateView(start=None, end=timestamp(left), basis=basis)


def _left(turn: Turn, job: Job, usual: float | None) -> float | None:
    """The seconds that a running job may still take: by its own pace, where that shows already.

    None where nobody can tell: it is held or being stopped, or takes longer than is usual and shows no pace.
    """
    if job.phase in ("stopping", "paused") or job.started_at is None:
        return None
    progress = turn.view(job).progress or 0.0
    passed = max(0.0, moment_of(turn.now) - moment_of(job.started_at))
    if progress >= LITTLE:
        return passed * (1 - progress) / progress
    left = None if usual is None else usual * len(job.pending) - passed
    return None if left is None or left < 0 else left
