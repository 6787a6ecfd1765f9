"""When a job may start and end: reckoned from what jobs took here lately, or from its own pace. No promise.

All run in the Queue's thread.
"""

import math
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from actors.jobs.model import Job, moment_of, timestamp
from actors.jobs.slots import fits, need_of
from actors.jobs.turn import Turn
from bus import messages as m

RECENT = 50
"""Completed jobs of which the usual time is reckoned: some hours' work, which tells of this machine as it is now."""

LOOK_AHEAD = 1000
"""Jobs before a queued one that are played through, which takes some 4 ms; of more, the rest are reckoned as these."""

LONGEST_SECONDS = 366 * 86_400.0
"""A year: a run that took longer was a clock that was set, and what would begin later is no estimate."""

LITTLE, MOST = 0.02, 0.98
"""Progress below which an output's own pace says nothing yet, and above which what is left of it says nothing of all
that it took.
"""


class Usual(NamedTuple):
    """What so many jobs took here lately: the seconds of one, and of one output."""

    jobs: int
    job: float
    output: float

    @property
    def basis(self) -> str:
        """In words."""
        noun = "job" if self.jobs == 1 else f"{self.jobs} jobs"
        return f"the last {noun} to complete took {_in_words(self.output)} an output"


def of_queued(turn: Turn, job: Job, ahead: int) -> m.EstimateView | None:
    """For a job with so many before it in the queue, that nothing else holds."""
    usual = _usual(turn)
    if usual is None:
        return None
    wait = _wait(turn, job, ahead, usual)
    return _estimate(wait, wait + usual.output * len(job.pending), usual.basis)


def of_running(turn: Turn, job: Job) -> m.EstimateView | None:
    """For a job that runs."""
    usual = _usual(turn)
    left, is_own = _left(turn, job, usual)
    basis = usual.basis if usual else ""
    if is_own:
        alike = ", each output to come reckoned as this one" if len(job.pending) > 1 else ""
        basis = f"its own pace: {int((turn.view(job).progress or 0.0) * 100)}% done{alike}"
    return _estimate(None, left, basis)


def _usual(turn: Turn) -> Usual | None:
    """None where nothing has completed yet. A run in which the wall clock was set tells nothing."""
    runs = [run for run in turn.store.recent_runs(RECENT) if 0 <= run[0] <= LONGEST_SECONDS]
    if not runs:
        return None
    total = sum(seconds for seconds, _ in runs)
    return Usual(len(runs), total / len(runs), total / sum(outputs for _, outputs in runs))


def _wait(turn: Turn, job: Job, ahead: int, usual: Usual) -> float:
    """Seconds until the job has its slots; infinite where nobody can tell.

    The queue is played: who takes none of what the job takes is left out, and nobody overtakes.
    """
    ledger, need = turn.ledger, need_of(job.shape)
    free, now = ledger.free_for_queue(), 0.0
    running = (other for other in turn.store.processing() if not other.gave_up_slots)
    ends = [(_left(turn, other, usual)[0], other.shape) for other in running]
    heapify(ends)
    before = turn.store.shapes_in_order(min(ahead, LOOK_AHEAD))
    for shape in (*before, job.shape):
        takes = need_of(shape)
        if not need.keys() & takes.keys() or not fits(takes, ledger.slots):
            continue
        while not fits(takes, free):
            if not ends:
                return math.inf
            now, ended = heappop(ends)
            free.update(need_of(ended))
        free.subtract(takes)
        heappush(ends, (now + usual.job, shape))
    return now * max(1.0, ahead / LOOK_AHEAD)


def _left(turn: Turn, job: Job, usual: Usual | None) -> tuple[float, bool]:
    """The seconds that a running job may still take, and whether they are reckoned from its own pace.

    Infinite where nobody can tell: it is held or being stopped, or takes longer than is usual and shows no pace.
    """
    if job.phase in ("stopping", "paused"):
        return math.inf, False
    output = next((output for output in turn.view(job).outputs if output.status == "rendering"), None)
    since = None if output is None else output.started_at
    passed = 0.0 if since is None else max(0.0, moment_of(turn.now) - moment_of(since))
    if output is not None and output.eta is not None and (output.progress or 0.0) >= LITTLE:
        progress = output.progress or 0.0
        whole = output.eta / (1 - progress) if progress < MOST else passed
        return output.eta + whole * (len(job.pending) - 1), True
    left = math.inf if usual is None else usual.output * len(job.pending) - passed
    return left if left >= 0 else math.inf, False


def _estimate(start: float | None, end: float, basis: str) -> m.EstimateView | None:
    """From seconds from now on."""
    if end > LONGEST_SECONDS:
        return None
    return m.EstimateView(start=None if start is None else timestamp(start), end=timestamp(end), basis=basis)


def _in_words(seconds: float) -> str:
    """`35.0 s`, `12 min`, `2.5 h`."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
