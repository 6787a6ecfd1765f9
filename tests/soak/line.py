"""The queue and the slots as the events tell them, independent of the code under test."""

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.soak.story import PROCESSING, QUEUED
from tests.support.wire import Map

Place = tuple[int, int]
"""Where a job stands: the least runs first. Its priority, negated, and its rank among those of the same."""

ENDINGS = frozenset({"job.completed", "job.failed", "job.cancelled"})


class Line:
    """Who waits, who runs, and what is free. A paused job waits for nothing but to be let go on.

    Args:
        slots: how many there are at first, of each resource.
        needs: what each job takes while it runs.

    Attributes:
        statuses: of each job.
        not_before: when the next attempt of a job is due; no event tells that it has come.
        released: jobs that run, are paused and have left their slots to others.
        slots: how many there are now.
        starts: whether anything is to be started: not while the daemon drains, or stops.

    """

    def __init__(self, slots: Map, needs: Mapping[str, Map]) -> None:
        self.statuses: dict[str, str | None] = {}
        self.not_before: dict[str, str] = {}
        self.released: set[str] = set()
        self.slots = dict(slots)
        self.draining = False
        self._stopping = False
        self._needs = needs
        self._paused: set[str] = set()
        self._places: dict[str, Place] = {}
        self._numbers: dict[str, int] = {}
        self._front = 0

    @property
    def starts(self) -> bool:
        return not (self.draining or self._stopping)

    def need(self, job_id: str) -> Map:
        return self._needs[job_id]

    def ready(self) -> list[str]:
        """Who waits and is not paused, in the order in which they are to start; some wait for another attempt."""
        return sorted((one for one in self._queued() if one not in self._paused), key=self._places.__getitem__)

    def ahead_of(self, job_id: str) -> list[str]:
        """The jobs that are to start before this one, but for those that wait: no event tells when they are ready."""
        ready = [one for one in self.ready() if one not in self.not_before]
        return [one for one in ready if self._places[one] < self._places[job_id]]

    def free(self, *, at_most: bool) -> Counter[str]:
        """What is free. What jobs have left that are paused is free at the most: they may be about to have it again."""
        free = Counter(self.slots)
        for job_id, status in self.statuses.items():
            if status == PROCESSING and not (at_most and job_id in self.released):
                free.subtract(self._needs[job_id])
        return free

    def could_ever_start(self, job_id: str) -> bool:
        """False of one that takes more than there is."""
        return fits(self._needs[job_id], self.slots)

    def idle(self) -> Iterator[str]:
        """Jobs that wait though there surely is room for them and for all before them."""
        free = self.free(at_most=False)
        for job_id in self.ready() if self.starts else ():
            if self.could_ever_start(job_id):
                if job_id not in self.not_before and fits(self._needs[job_id], free):
                    yield job_id
                free.subtract(self._needs[job_id])

    def tell(self, event: Map, status: str | None) -> None:
        """The next event, and what status it gives to the job that it is about."""
        kind, data = event["type"], event["data"]
        if event["job_id"] is not None:
            self._tell_of(event["job_id"], kind, data, status)
        elif kind == "daemon.slots":
            self.slots = dict(data["slots"])
        elif kind in {"daemon.draining", "daemon.resumed"}:
            self.draining = kind == "daemon.draining"
        elif kind in {"daemon.stopping", "daemon.started"}:
            self._stopping = kind == "daemon.stopping"

    def _tell_of(self, job_id: str, kind: str, data: Map, status: str | None) -> None:
        if kind == "job.submitted":
            self._numbers[job_id] = len(self._numbers) + 1
            self._places[job_id] = -data["priority"], self._numbers[job_id]
        elif kind == "job.boosted":
            self._boost(job_id, data)
        elif kind == "job.paused":
            self._paused.add(job_id)
            if data["released"] and status == PROCESSING:
                self.released.add(job_id)
        elif kind in ENDINGS | {"job.unpaused"}:
            self._paused.discard(job_id)
        if kind == "job.unpaused" or status != PROCESSING:
            self.released.discard(job_id)
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


def fits(need: Map, free: Map) -> bool:
    """True where there is as much as is needed."""
    return all(free[name] >= count for name, count in need.items())
