"""Looks at the processes of jobs that are paused, again and again: whether they stand still."""

import re
import time
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import process, working_in
from tests.support.wire import Map

STOPPED = frozenset("Tt")
"""What /proc calls the state of one that SIGSTOP has stopped, or a debugger."""

PAUSING = frozenset({"job.paused"})
LETTING_GO = frozenset(
    {"job.unpaused", "job.cancelling", "job.requeued", "job.completed", "job.failed", "job.cancelled", "job.deleted"}
)


class Look(NamedTuple):
    """What was seen of a process of a job.

    `at` is the wall clock once it had been seen, as in events; `switches` how often a processor has let go of it.
    """

    at: float
    job_id: str
    pid: int
    state: str
    switches: int

    @property
    def stands(self) -> bool:
        return self.state in STOPPED


def switches_of(pid: int) -> int | None:
    """How often a processor has let go of a process: rises with all that it does. None of one that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return sum(map(int, re.findall(r"_ctxt_switches:\s*(\d+)", status)))


class Stillness:
    """Whom to look at is told by the events that are heard; where one was missed, it looks for too long, or not at all.

    So what was seen is judged in the end, by all events. Used by one thread.

    Attributes:
        looks: all that was seen.

    """

    def __init__(self, work: Path) -> None:
        self.looks: list[Look] = []
        self._work = work
        self._watched: dict[str, set[int]] = {}

    def hear(self, event: Map) -> None:
        """Begin to look at a job's processes, or stop. The leader of their group, the shim, is not paused."""
        kind, job_id = event["type"], event["job_id"]
        if kind in PAUSING:
            found = working_in(self._work / job_id)
            self._watched[job_id] = {one.pid for one in found if one.pid != one.group}
        elif kind in LETTING_GO:
            self._watched.pop(job_id, None)

    def look(self) -> None:
        """Look once at each."""
        for job_id, pids in self._watched.items():
            for pid in sorted(pids):
                seen = process(pid)
                switches = switches_of(pid)
                if seen is None or switches is None:
                    pids.discard(pid)
                else:
                    self.looks.append(Look(time.time(), job_id, pid, seen.state, switches))
