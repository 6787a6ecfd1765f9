"""What becomes of jobs, counted for an operator: how long they wait and run, how they end, how fast they encode.

Nothing is counted unless somebody asks for it. The Queue's thread counts, and only what is on disk; any may read.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from actors.base import ADMISSION, ARCHIVE, JANITOR, QUEUE, RENDER_PREFIX
from actors.ffmpeg.failure import BY_CODE
from actors.jobs.model import Job, Live, moment_of
from bus import messages as m
from bus.histogram import Histogram

COMMIT_SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
)  # fmt: skip
"""Bounds of what an fsync takes: an SSD some 0.2 ms, a disk 10, a network or a failing disk seconds."""

QUEUE_SECONDS = (0.01, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0)
RUN_SECONDS = (0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0)
"""Bounds from what a person does not notice to what somebody should ask about."""

SPEED_RATIO = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Bounds of an encode's speed, in multiples of real time."""

RENDER = RENDER_PREFIX.removesuffix("/")
PARTS = (QUEUE, ARCHIVE, JANITOR, ADMISSION, RENDER)
"""The actors that are started again when they die; all Renders are one, for each has a job's id in its address."""

QUEUED = frozenset({"job.submitted", "job.requeued"})
"""The events with which a job's time in the queue begins."""

History = Callable[[Job], Sequence[m.Event]]


class Standing(NamedTuple):
    """How things stood after a turn: jobs by status, slots and those in use by resource.

    `low_disks`: of how many folders the disk has too little room.
    """

    statuses: Mapping[str, int]
    slots: Mapping[str, int]
    used: Mapping[str, int]
    draining: bool
    last_seq: int
    low_disks: int


class Outlook(NamedTuple):
    """What the Queue sees at each heartbeat.

    `oldest`: since when the longest submitted of the queued jobs is there, in seconds since the epoch. `ready`: the job
    that is next has the slots it needs. `speed`: of all that is being encoded, as a multiple of real time.
    """

    full: bool
    oldest: float | None
    ready: bool
    speed: float


class Tally:
    """Of one daemon, whichever Queue it has. What a turn notes counts once the turn is on disk."""

    def __init__(self) -> None:
        self.standing: Standing | None = None
        self.outlook: Outlook | None = None
        self.commits = Histogram(COMMIT_SECONDS)
        self.store_errors = 0
        self.jobs = Counter(submitted=0, started=0, adopted=0)
        self.ended = Counter(completed=0, failed=0, cancelled=0)
        self.failures = Counter(dict.fromkeys(BY_CODE, 0))
        self.requeued = Counter(attempt=0, retry=0, stop=0, recovery=0, disk=0)
        self.removed = Counter(deleted=0, expired=0)
        self.restarts = Counter(dict.fromkeys(PARTS, 0))
        self.outputs = Counter(files=0, bytes=0)
        self.queue_seconds = Histogram(QUEUE_SECONDS)
        self.run_seconds = {status: Histogram(RUN_SECONDS) for status in self.ended}
        self.speeds = Histogram(SPEED_RATIO)
        self._submitted = (self.jobs, "submitted", 1)
        self._counted: list[tuple[Counter[str], str, int]] = []
        self._observed: list[tuple[Histogram, float]] = []

    # ------------------------------------------------------------ the Queue's turns

    def note(self, kind: str, data: Mapping[str, Any], job: Job | None, now: str, history: History) -> None:
        """Note what a durable event tells, as it is made; `history` gives all of a job's events, this one too."""
        if kind == "job.submitted":  # the usual
            self._counted.append(self._submitted)
            return
        if job is None:
            if kind == "daemon.actor_restarted":
                part = str(data["address"]).partition("/")[0]
                self._count(self.restarts, part)
            return
        name = kind.partition(".")[2]
        match name:
            case "started":
                self._count(self.jobs, name)
                self._observe(self.queue_seconds, _seconds(_queued_at(job, history), now))
            case "output_completed":
                self._output(job, data)
            case "completed" | "failed" | "cancelled":
                self._end(name, data, job, now)
            case "requeued":
                self._count(self.requeued, str(data["why"]))
            case "deleted" | "expired":
                self._count(self.removed, name)

    def note_adopted(self) -> None:
        """A child of an earlier daemon, or of a Render that died, was taken over."""
        self._count(self.jobs, "adopted")

    def commit(self, standing: Standing) -> None:
        """The turn is on disk: count what it noted."""
        self.standing = standing
        for counter, key, amount in self._counted:
            counter[key] += amount
        for histogram, value in self._observed:
            histogram.observe(value)
        self.rollback()

    def rollback(self) -> None:
        """The turn was not to be."""
        self._counted, self._observed = [], []

    def _output(self, job: Job, data: Mapping[str, Any]) -> None:
        self._count(self.outputs, "files")
        self._count(self.outputs, "bytes", int(data["size"]))
        speed = job.outputs[int(data["index"])].speed
        if speed is not None:
            self._observe(self.speeds, speed)

    def _end(self, status: str, data: Mapping[str, Any], job: Job, now: str) -> None:
        self._count(self.ended, status)
        if status == "failed":
            self._count(self.failures, str(data["error"].code))
        is_run = status != "cancelled" or data["stop"] is not None  # else it was cancelled in the queue
        if is_run and job.started_at is not None:
            self._observe(self.run_seconds[status], _seconds(job.started_at, now))

    def _count(self, counter: "Counter[str]", key: str, amount: int = 1) -> None:
        self._counted.append((counter, key, amount))

    def _observe(self, histogram: Histogram, value: float) -> None:
        self._observed.append((histogram, value))

    # ------------------------------------------------------------ the Queue's heartbeat

    def beat(self, *, full: bool, oldest: str | None, ready: bool, live: Sequence[Live]) -> None:
        """How things look between two turns; `live` is what is being encoded, `oldest` when a job was submitted."""
        speed = sum(one.speed or 0.0 for one in live if one.phase == "rendering")
        self.outlook = Outlook(full, None if oldest is None else moment_of(oldest), ready, speed)


def _queued_at(job: Job, history: History) -> str:
    """Since when a job that starts has waited. Of one that is started again its own history knows."""
    if job.runs == 1:
        return job.created_at
    return next((event.at for event in reversed(history(job)) if event.type in QUEUED), job.created_at)


def _seconds(start: str, end: str) -> float:
    """Between two timestamps; none where the wall clock was set back."""
    return max(0.0, moment_of(end) - moment_of(start))
