"""Jobs start in the queue's order, no more at once than there are slots, and none while the daemon drains.

A job that waits before another attempt keeps its place, but lets others pass.
"""

from collections.abc import Iterator

from tests.soak.evidence import Evidence
from tests.soak.story import PROCESSING, QUEUED
from tests.support.wire import Map

Place = tuple[int, int]
"""Where a job stands: the least runs first. Its priority, negated, and its rank among those of the same."""


class Line:
    """The queue as the events tell it."""

    def __init__(self) -> None:
        self.statuses: dict[str, str | None] = {}
        self.not_before: dict[str, str] = {}
        self._places: dict[str, Place] = {}
        self._numbers: dict[str, int] = {}
        self._front = 0

    def ahead_of(self, job_id: str) -> list[str]:
        """The jobs that are to start before this one, but for those that wait: no event tells when they are ready."""
        ready = [one for one in self._queued() if one not in self.not_before]
        return [one for one in ready if self._places[one] < self._places[job_id]]

    def tell(self, event: Map, status: str | None) -> None:
        """The next event of a job, and what status it gives it."""
        job_id, data = event["job_id"], event["data"]
        if event["type"] == "job.submitted":
            self._numbers[job_id] = len(self._numbers) + 1
            self._places[job_id] = -data["priority"], self._numbers[job_id]
        elif event["type"] == "job.boosted":
            self._boost(job_id, data)
        if data.get("not_before"):
            self.not_before[job_id] = data["not_before"]
        elif status != QUEUED:
            self.not_before.pop(job_id, None)
        self.statuses[job_id] = status

    def _queued(self) -> list[str]:
        return [one for one, status in self.statuses.items() if status == QUEUED]

    def _boost(self, job_id: str, data: Map) -> None:
        """Back to the order of submission at the new priority, or before all others."""
        if not data["front"]:
            self._places[job_id] = -data["priority"], self._numbers[job_id]
        elif any(self._places[one] < self._places[job_id] for one in self._queued()):
            self._front -= 1
            self._places[job_id] = -data["priority"], self._front


def check(evidence: Evidence) -> Iterator[str]:
    """Starts that came out of turn."""
    line = Line()
    draining = False
    for event in evidence.events:
        kind, job_id, seq = event["type"], event["job_id"], event["seq"]
        if kind in {"daemon.draining", "daemon.resumed"}:
            draining = kind == "daemon.draining"
        if job_id is None:
            continue
        if kind == "job.submitted" and event["data"]["priority"] != evidence.orders[job_id].body["job"]["priority"]:
            yield f"job {job_id} was submitted with another priority than {event['data']}"
        if kind == "job.started":
            if line.ahead_of(job_id):
                yield f"job {job_id} was started (seq {seq}) before {line.ahead_of(job_id)}"
            if event["at"] < line.not_before.get(job_id, ""):
                yield f"job {job_id} was started (seq {seq}) at {event['at']}, before {line.not_before[job_id]}"
            if draining:
                yield f"job {job_id} was started (seq {seq}) while the daemon drained"
        line.tell(event, evidence.stories[job_id].status_at(seq))
        if list(line.statuses.values()).count(PROCESSING) > evidence.slots:
            yield f"more than {evidence.slots} jobs were processing at seq {seq}"
