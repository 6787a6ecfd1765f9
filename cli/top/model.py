"""What `rushes top` knows of a daemon: views that it asked for, and events folded into them. No clock, no bus."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from bus.messages import Event, JobView, OutputView, StatusResult
from cli.events import PROGRESS

QUEUE_SHOWN = 100
"""Queued jobs that are asked for: more than any screen has lines. The queue may hold a million."""

QUEUE_LOW = QUEUE_SHOWN // 2
"""Of a longer queue, more is asked for when fewer than these are left: not for each job that starts."""

ENDED_KEPT = 100
FEED_KEPT = 200
"""Outcomes and events that are kept: more than any screen has lines. `rushes list` and `tail` have them all."""

MOVES_KEPT = 10_000
"""Of changes of status, for a `status` that is older than they are: some seconds of the busiest daemon."""

Part = Literal["status", "running", "queue"]
"""What can be asked for anew."""


class LowDisk(NamedTuple):
    """A disk with too little room: jobs for it wait. In bytes."""

    free: int
    floor: int


class Move(NamedTuple):
    """What an event says of a job's status; None where it was or is no job."""

    seq: int
    was: str | None
    now: str | None


class Model:
    """What is shown. `version` grows with each change of it."""

    def __init__(self) -> None:
        self.version = 0
        self.stale: set[Part] = set()
        """What events have changed in a way that they do not tell: to be asked for."""
        self.silent_since: str | None = None
        """The time on the reader's clock since when no daemon is heard, None while one is."""
        self.forget()

    def forget(self) -> None:
        """Begin anew: the daemon has another store."""
        self.status: StatusResult | None = None
        self.counts: Counter[str] = Counter()
        self.draining = False
        self.stopping: str | None = None
        self.running: dict[str, JobView] = {}
        self.queue: list[JobView] = []
        self.ended: dict[str, JobView] = {}
        self.low: dict[str, LowDisk] = {}
        self.feed: deque[Event] = deque(maxlen=FEED_KEPT)
        self.seen = 0
        self._counted = 0
        self._moves: deque[Move] = deque(maxlen=MOVES_KEPT)
        self._processing: set[str] = set()
        self.stale.clear()
        self.version += 1

    def job(self, job_id: str | None) -> JobView | None:
        """The job as it is shown, None where it is not."""
        if job_id is None:
            return None
        queued = next((job for job in self.queue if job.id == job_id), None)
        return self.running.get(job_id) or queued or self.ended.get(job_id)

    # ------------------------------------------------------------ what was asked for

    def take_status(self, status: StatusResult) -> None:
        """The daemon itself. Its counts hold up to its `last_seq`; the events after it are counted from there.

        Some of these may have been taken already: an answer can be overtaken by what happened since.
        """
        self.status = status
        self.counts = Counter(status.counts)
        self._counted = status.last_seq
        for move in self._moves:
            self._recount(move)
        if status.last_seq >= self.seen:  # else an event may have told of a change since
            self.draining = status.draining
        self.version += 1

    def take_running(self, jobs: Iterable[JobView]) -> None:
        """All jobs that are processing. The list may be older than the events: one that has ended since is left out,
        one that has begun since stays.
        """
        since = {job_id: job for job_id, job in self.running.items() if job_id in self._processing}
        self.running = {**since, **{job.id: job for job in jobs if self._is_news(job)}}
        self._processing |= self.running.keys()
        self.version += 1

    def take_queue(self, jobs: Iterable[JobView]) -> None:
        """The first page of the queue. What has left it since is left out."""
        self.queue = [job for job in jobs if job.id not in self._processing and self._is_news(job)]
        self.version += 1

    def take_ended(self, jobs: Iterable[JobView]) -> None:
        """Jobs that have ended, besides those that are known."""
        for job in jobs:
            self._end(job)
        self.version += 1

    def _is_news(self, job: JobView) -> bool:
        known = self.ended.get(job.id)
        return known is None or known.seq < job.seq

    # ------------------------------------------------------------ what happens

    def take(self, event: Event) -> None:
        """An event, in order."""
        self.version += 1
        if event.type == PROGRESS:
            self._progress(event.job_id or "", event.data)
            return
        if event.seq is None:
            return
        self.seen = event.seq
        self.feed.append(event)
        if event.job_id is None:
            self._daemon(event)
        else:
            self._count(event.job_id, event)
            self._job(event.job_id, event)

    def _daemon(self, event: Event) -> None:
        data = event.data
        match event.type:
            case "daemon.draining":
                self.draining = True
            case "daemon.resumed":
                self.draining = False
            case "daemon.stopping":
                self.stopping = str(data.get("mode") or "")
            case "daemon.started":
                self.stopping = None
                self.low.clear()  # what still waits for room says so itself
                self.stale |= {"status", "running", "queue"}
            case "daemon.disk_low":
                self.low[data["folder"]] = LowDisk(data["free"], data["floor"])
                self.stale.add("queue")
            case "daemon.disk_ok":
                self.low.pop(data["folder"], None)
                self.stale.add("queue")
            case _:  # one that this version does not know may have changed anything, such as the slots
                self.stale.add("status")

    def _job(self, job_id: str, event: Event) -> None:
        match event.type:
            case "job.submitted":
                if self._may_be_shown(int(event.data.get("priority") or 0)):
                    self.stale.add("queue")
            case "job.boosted":
                self.stale.add("queue")
            case "job.started":
                self._begin(job_id)
                self.stale.add("running")
            case "job.cancelling":
                if job_id in self.running:
                    self.running[job_id] = replace(self.running[job_id], phase="stopping")
            case "job.completed" | "job.failed" | "job.cancelled":
                self._leave_queue(job_id)
                self.running.pop(job_id, None)
                self._end(msgspec.convert(event.data["job"], JobView))
            case "job.requeued":
                job = self.running.pop(job_id, None) or self.ended.pop(job_id, None)
                if job is not None:  # until the list tells its place, it stands at the end: it is not out of sight
                    self.queue.append(replace(job, status="queued", phase=None, progress=None))
                self.stale.add("queue")
            case "job.deleted" | "job.expired":
                self._leave_queue(job_id)
                self.running.pop(job_id, None)
                self.ended.pop(job_id, None)
            case "job.signalled":
                pass
            case _:  # an output begins or is done; or something that this version does not know
                self.stale.add("running")
                if job_id not in self.running:
                    self.stale.add("queue")

    def _progress(self, job_id: str, data: Mapping[str, Any]) -> None:
        job = self.running.get(job_id)
        if job is None:
            return
        outputs = [_advanced(output, data) if output.index == data.get("index") else output for output in job.outputs]
        phase = "stopping" if job.phase == "stopping" else data.get("phase", job.phase)
        self.running[job_id] = replace(job, progress=data.get("progress"), phase=phase, outputs=outputs)

    def _may_be_shown(self, priority: int) -> bool:
        """False where a job that was just submitted stands behind all that are shown."""
        return len(self.queue) < QUEUE_SHOWN or priority > self.queue[-1].priority

    def _begin(self, job_id: str) -> None:
        """A queued job runs. Its view is asked for; until then it is shown as it was."""
        job = next((job for job in self.queue if job.id == job_id), None)
        if job is not None:
            self._leave_queue(job_id)
            self.running[job_id] = replace(job, status="processing", phase="starting", position=None)

    def _leave_queue(self, job_id: str) -> None:
        """Those behind a job that leaves it move up."""
        place = next((place for place, job in enumerate(self.queue) if job.id == job_id), None)
        if place is None:
            return
        behind = [replace(job, position=job.position and job.position - 1) for job in self.queue[place + 1 :]]
        self.queue[place:] = behind
        if len(self.queue) < QUEUE_LOW and self.counts["queued"] > len(self.queue):
            self.stale.add("queue")

    def _end(self, job: JobView) -> None:
        if not self._is_news(job):
            return
        self.ended[job.id] = job
        if len(self.ended) > ENDED_KEPT:
            del self.ended[min(self.ended, key=lambda one: self.ended[one].finished_at or "")]

    # ------------------------------------------------------------ counts

    def _count(self, job_id: str, event: Event) -> None:
        """How many jobs there are of each status, which the events tell one by one."""
        was: str | None = "processing"
        now: str | None
        match event.type:
            case "job.submitted":
                was, now = None, "queued"
            case "job.started":
                was, now = "queued", "processing"
            case "job.completed" | "job.failed":
                now = event.type.removeprefix("job.")
            case "job.cancelled":  # the one event that does not tell what the job was before
                was, now = "processing" if job_id in self._processing else "queued", "cancelled"
            case "job.requeued":
                was, now = "failed" if event.data.get("why") == "retry" else "processing", "queued"
            case "job.deleted" | "job.expired":
                was, now = event.data.get("status"), None
            case _:
                return
        if now == "processing":
            self._processing.add(job_id)
        else:
            self._processing.discard(job_id)
        self._moves.append(Move(event.seq or 0, was, now))
        self._recount(self._moves[-1])

    def _recount(self, move: Move) -> None:
        """Count a job's move, unless the counts hold it already."""
        if move.seq > self._counted:
            self.counts[str(move.was)] -= move.was is not None
            self.counts[str(move.now)] += move.now is not None


def _advanced(output: OutputView, data: Mapping[str, Any]) -> OutputView:
    return replace(
        output,
        status="rendering",
        progress=data.get("output_progress"),
        speed=data.get("speed"),
        eta=data.get("eta"),
        size=data.get("size"),
    )
