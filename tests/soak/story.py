"""A job's life as its events tell it, held against the states of PROTOCOL.md, independent of the code under test."""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from tests.support.wire import Map

QUEUED, PROCESSING, COMPLETED, FAILED, CANCELLED = "queued", "processing", "completed", "failed", "cancelled"
GONE = "gone"

MOVES = {
    (None, "submitted"): QUEUED,
    (QUEUED, "boosted"): QUEUED,
    (QUEUED, "paused"): QUEUED,
    (QUEUED, "unpaused"): QUEUED,
    (QUEUED, "started"): PROCESSING,
    (QUEUED, "cancelled"): CANCELLED,
    (PROCESSING, "output_started"): PROCESSING,
    (PROCESSING, "output_completed"): PROCESSING,
    (PROCESSING, "paused"): PROCESSING,
    (PROCESSING, "unpaused"): PROCESSING,
    (PROCESSING, "cancelling"): PROCESSING,
    (PROCESSING, "signalled"): PROCESSING,
    (PROCESSING, "completed"): COMPLETED,
    (PROCESSING, "failed"): FAILED,
    (PROCESSING, "cancelled"): CANCELLED,
    (PROCESSING, "requeued attempt"): QUEUED,
    (PROCESSING, "requeued stop"): QUEUED,
    (PROCESSING, "requeued recovery"): QUEUED,
    (PROCESSING, "requeued disk"): QUEUED,
    (FAILED, "requeued retry"): QUEUED,
    (COMPLETED, "deleted"): GONE,
    (FAILED, "deleted"): GONE,
    (CANCELLED, "deleted"): GONE,
}
"""Where each event takes a job. No job of a round lives long enough to expire."""


class Finished(NamedTuple):
    """An output that was completed, in the `run`th start of its job."""

    seq: int
    run: int
    data: Map


class Requeued(NamedTuple):
    """A way back into the queue after the `run`th start."""

    run: int
    why: str


class Still(NamedTuple):
    """Seconds in which nothing of a run may move: from its `job.paused` until it is let go on, or stopped."""

    since: float
    until: float = math.inf


@dataclass
class Story:
    """What one job's events say, and in `wrong` where they contradict the protocol or themselves.

    Attributes:
        errors: why attempts failed that were followed by another; `failures`: why the job did.
        paused: whether it is; `released`: whether it then leaves its slots to others.
        stills: when its run was to stand still.

    """

    job_id: str
    status: str | None = None
    runs: int = 0
    attempts: int = 0
    attempts_before_retry: int = 0
    priority: int = 0
    cancelling: bool = False
    paused: bool = False
    released: bool = False
    stills: list[Still] = field(default_factory=list)
    finished: dict[int, Finished] = field(default_factory=dict)
    requeued: list[Requeued] = field(default_factory=list)
    errors: list[Map] = field(default_factory=list)
    failures: list[Map] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    statuses: list[str | None] = field(default_factory=list)
    pauses: list[bool] = field(default_factory=list)
    removals: list[Map] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_gone(self) -> bool:
        return self.status == GONE

    @property
    def paths(self) -> set[Path]:
        """The files that it has completed."""
        return {Path(output.data["path"]) for output in self.finished.values()}

    def status_at(self, seq: int) -> str | None:
        """The job's status once event `seq` had happened; None where it is no event of the job."""
        at = self._index(seq)
        return None if at is None else self.statuses[at]

    def paused_at(self, seq: int) -> bool | None:
        """The same of whether it was paused."""
        at = self._index(seq)
        return None if at is None else self.pauses[at]

    def _index(self, seq: int) -> int | None:
        at = bisect_right(self.seqs, seq) - 1
        return at if at >= 0 and self.seqs[at] == seq else None

    def let_go(self, at: str) -> None:
        """From now on its run may move again."""
        if self.stills and self.stills[-1].until == math.inf:
            self.stills[-1] = self.stills[-1]._replace(until=seconds_of(at))

    def tell(self, event: Map) -> None:
        """The next event."""
        kind, data = str(event["type"]).removeprefix("job."), event["data"]
        move = f"requeued {data['why']}" if kind == "requeued" else kind
        if (self.status, move) not in MOVES:
            self._complain(event, f"comes while the job is {self.status}")
        self.status = MOVES.get((self.status, move), self.status)
        self.seqs.append(event["seq"])
        self.statuses.append(self.status)
        match kind:
            case "submitted" | "boosted":
                self.priority = data["priority"]
            case "started":
                self.runs += 1
                self.attempts += 1
                self._expect(event, "being paused", self.paused, expected=False)
                self._expect(event, "attempt", data["attempt"], self.attempts)
            case "output_started":
                self._expect(event, "run", data["run"], self.runs)
                self._expect(event, "standing still", self._is_still, expected=False)
                self._must_be_open(event)
            case "output_completed":
                self._must_be_open(event)
                self.finished[data["index"]] = Finished(event["seq"], self.runs, data)
            case "cancelling":
                self._expect(event, "being cancelled before", self.cancelling, expected=False)
                self.cancelling = True
                self.let_go(event["at"])
            case "paused":
                self._pause(event)
            case "unpaused":
                self.paused = self.released = False
                self.let_go(event["at"])
            case "requeued":
                self._requeue(event)
            case "failed":
                self._expect(event, "being cancelled", self.cancelling, expected=False)
                self.failures.append(data["error"])
            case "completed":
                self._expect(event, "a cancel that came too late", data["cancel_too_late"] is not None, self.cancelling)
            case "deleted":
                self.removals.append(data)
            case _:
                pass
        if kind in {"completed", "failed", "cancelled"}:
            self.paused = self.released = False
            self.let_go(event["at"])
            self._expect(event, "the view's status", data["job"]["status"], self.status)
            self._expect(event, "the view's seq", data["job"]["seq"], event["seq"])
        self.pauses.append(self.paused)

    @property
    def _is_still(self) -> bool:
        return bool(self.stills) and self.stills[-1].until == math.inf

    def _pause(self, event: Map) -> None:
        """One that is paused can be paused once more, so that it leaves its slots to others."""
        if self.paused:
            self._expect(event, "a change of", event["data"]["released"], expected=not self.released)
        self.paused, self.released = True, event["data"]["released"]
        if self.status == PROCESSING and not self._is_still:
            self.stills.append(Still(seconds_of(event["at"])))

    def _requeue(self, event: Map) -> None:
        """A paused job stays paused, and takes no slots in the queue."""
        self.released = False
        self.let_go(event["at"])
        why = event["data"]["why"]
        self._expect(event, "being cancelled", self.cancelling, expected=False)
        self.requeued.append(Requeued(self.runs, why))
        if why == "attempt":
            self.errors.append(event["data"]["error"])
        elif why == "retry":
            self.attempts_before_retry = self.attempts
        else:
            self.attempts = max(self.attempts - 1, self.attempts_before_retry)

    def _must_be_open(self, event: Map) -> None:
        if event["data"]["index"] in self.finished:
            self._complain(event, "is about an output that was complete")

    def _expect(self, event: Map, what: str, found: object, expected: object) -> None:
        if found != expected:
            self._complain(event, f"has {what}: {found}, and not {expected}")

    def _complain(self, event: Map, what: str) -> None:
        self.wrong.append(f"job {self.job_id}: {event['type']} (seq {event['seq']}) {what}")


def seconds_of(at: str) -> float:
    """The time of an event, as `time.time` has it."""
    return datetime.fromisoformat(at).timestamp()


def stories(events: Iterable[Map]) -> dict[str, Story]:
    """The story of each job, by its id."""
    found: dict[str, Story] = {}
    for event in events:
        job_id = event["job_id"]
        if job_id is not None:
            found.setdefault(job_id, Story(job_id)).tell(event)
        elif event["type"] == "daemon.stopping" and event["data"]["mode"] == "stop":
            for story in found.values():
                story.let_go(event["at"])
    return found
