"""What the Queue keeps in memory: counts and marks that the store could give, too, but not at every command."""

from collections import Counter
from collections.abc import Mapping
from copy import copy
from types import MappingProxyType
from typing import Literal, NamedTuple

from actors.jobs.model import Job, Live, job_ids
from actors.jobs.slots import fits, in_force, need_of
from actors.jobs.steady import Moment, SteadyClock
from actors.jobs.store import Store
from actors.jobs.tally import Standing, Tally
from bus.limits import CPU
from bus.messages import STATUSES, ShutdownMode

DRAINING = "draining"
"""The key under which `drain` outlives the daemon."""


FRONT_RANK = "front_rank"
"""The key of the lowest rank given. Ranks of the front fall from -1 for ever, so that no two jobs share a place: a
job's usual rank is its number, which is at least 1."""


STEADY = "steady"
"""The key of the steady clock's last mark."""

SLOTS = "slots"
"""The key under which numbers of slots that a command set outlive the daemon."""

DEFAULT_RETRY_SECONDS = 1.0
"""What the wait after a first failure is at the most; the wait doubles with each."""


DEFAULT_STOP_SECONDS = 6.0
"""Three times the usual grace: the ladder takes two."""


class Settings(NamedTuple):
    """What the Queue is configured to do.

    `slots`: by resource; `retry_delay`: seconds between a first failure and the next attempt, at the most;
    `stop_seconds`: how long an ordered stop may take before what still runs is left to the next daemon; `tally`: where
    what the turns tell is counted.
    """

    slots: Mapping[str, int] = MappingProxyType({CPU: 1})
    retry_delay: float = DEFAULT_RETRY_SECONDS
    stop_seconds: float = DEFAULT_STOP_SECONDS
    tally: Tally | None = None


class Ledger:
    """Read from the store when the Queue begins, and again after a transaction that failed. One thread's.

    `may_keep_more`: a job may have ended since the bytes that jobs keep were last added up.

    Args:
        store: where it is read from.
        settings: see there.

    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self.settings = settings
        self.tally = settings.tally
        noted = store.meta(STEADY)
        self.steady = SteadyClock(noted.encode() if noted else None, Moment.now())
        self.epoch = store.meta("epoch") or ""
        self.ids = job_ids()
        self.live: dict[str, Live] = {}
        self.stopping: ShutdownMode | None = None
        self.is_overdue = False
        self.render_deaths: Counter[tuple[str, int]] = Counter()
        self.reload(store)
        self.commit()

    def copy(self) -> "Ledger":
        """One that can be changed without a trace; for a moment, for it shares what no command changes."""
        found = copy(self)
        found.tally = None
        for name in ("statuses", "queued_at", "used", "running", "to_go_on", "slots", "live"):
            setattr(found, name, copy(getattr(self, name)))
        return found

    def commit(self) -> None:
        """The turn is on disk, and may be spoken of."""
        self.committed_seq = self.seq
        if self.tally is not None:
            self.tally.commit(self._standing())

    def _standing(self) -> Standing:
        return Standing(
            statuses={status: self.statuses[status] for status in STATUSES},
            slots=dict(self.slots),
            used={resource: self.used[resource] for resource in self.slots},
            draining=self.draining or self.stopping is not None,
            last_seq=self.seq,
            low_disks=len(self.low_folders),
        )

    def reload(self, store: Store) -> None:
        """Forget what a failed transaction had changed."""
        if self.tally is not None:
            self.tally.rollback()
        self.seq = store.records.last_seq()
        self.number = store.last_number()
        self.statuses = Counter(store.counts())
        self.queued_at = Counter(store.places.by_priority())
        self.running: dict[str, str] = {}
        self.used: Counter[str] = Counter()
        self.to_go_on: dict[str, int] = {}
        for job in store.processing():
            self._run(job, 1)
        self.slots = in_force(self.settings.slots, store.meta(SLOTS))
        self.draining = store.meta(DRAINING) == "1"
        self.low_folders = store.low_folders()
        self.may_keep_more = True
        self.front_rank = int(store.meta(FRONT_RANK) or 0)

    def count(self, job: Job, change: Literal[1, -1]) -> None:
        """Add a job as it stands, or take it away before it is changed."""
        self.statuses[job.status] += change
        if job.status == "queued":
            self.queued_at[job.priority] += change
        elif job.status == "processing":
            self._run(job, change)

    def _run(self, job: Job, change: Literal[1, -1]) -> None:
        """A job that runs takes what it needs, or gives it back. `running` has their shapes, `to_go_on` numbers."""
        if change > 0:
            self.running[job.id] = job.shape
        else:
            self.running.pop(job.id, None)
        if not job.gave_up_slots:
            for name, count in need_of(job.shape).items():
                self.used[name] += change * count
        elif job.paused is not None and job.paused.go_on is not None:
            if change > 0:
                self.to_go_on[job.id] = job.number
            else:
                self.to_go_on.pop(job.id, None)

    def free(self) -> Counter[str]:
        """What is left of each resource: less than nothing where the slots became fewer than are taken."""
        free = Counter(self.slots)
        free.subtract(self.used)
        return free

    def free_for_queue(self) -> Counter[str]:
        """The same without what jobs wait for that are to go on: these come before the queue."""
        free = self.free()
        for need in self.coming_back().values():
            free.subtract(need)
        return free

    def coming_back(self) -> dict[str, dict[str, int]]:
        """What the jobs that are to go on need, as they were submitted; none of those that need more than there is."""
        ids = sorted(self.to_go_on, key=self.to_go_on.__getitem__)
        needs = {job_id: need_of(self.running[job_id]) for job_id in ids}
        return {job_id: need for job_id, need in needs.items() if fits(need, self.slots)}

    def last_position(self, priority: int) -> int:
        """The 1-based place of the last queued job of a priority: no row is counted for it."""
        return sum(count for at, count in self.queued_at.items() if at >= priority)
