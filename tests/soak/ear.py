"""Hears what the daemon publishes, and looks in that very moment whether it is true of processes and files."""

import os
import signal
import threading
from pathlib import Path

from tests.soak.client import Board
from tests.soak.stillness import Stillness
from tests.support.processes import working_in
from tests.support.wire import Listener, Map

LOOK_SECONDS = 0.1
"""How soon the ear notices that it is wanted no more."""

NO_CHILD_AFTER = frozenset({"job.completed", "job.cancelled", "job.deleted", "job.expired"})
"""Events after which nothing runs for the job any more, ever. (A failed one may be retried in the next moment.)"""


class Ear:
    """Listens in a thread of its own, from `listen` until it has heard what it is told to.

    Attributes:
        events: the durable events heard, as they came.
        wrong: what was not as the event said.
        stillness: what was seen of jobs that are paused.

    """

    def __init__(self, bus: str, data: Path, out: Path, board: Board) -> None:
        self.events: list[Map] = []
        self.wrong: list[str] = []
        self.stillness = Stillness(data / "work")
        self._board = board
        self._bus = bus
        self._work = data / "work"
        self._out = out
        self._last: int | None = None
        self._trap: tuple[str, int] | None = None
        self._sprung = threading.Event()

    def listen(self) -> None:
        """Hear everything up to the event that is said to be the last."""
        newest = 0
        with Listener(self._bus, proven=False) as listener:
            while self._last is None or newest < self._last:
                heard = listener.receive(LOOK_SECONDS)
                self.stillness.look()
                if heard is None:
                    continue
                event = heard.event
                self._spring(event["type"])
                self.stillness.hear(event)
                self._board.hear(event)
                newest = event["seq"] or event["data"].get("last_seq") or newest
                if event["type"] in NO_CHILD_AFTER:
                    self._look(event)
            self.events = listener.events()

    def kill_at(self, kind: str, pid: int, timeout: float) -> None:
        """Have process `pid` killed in the moment in which a `kind` event is heard, if one is within `timeout`."""
        self._sprung.clear()
        self._trap = (kind, pid)
        self._sprung.wait(timeout)
        self._trap = None

    def _spring(self, kind: str) -> None:
        trap = self._trap
        if trap is not None and trap[0] == kind:
            self._trap = None
            os.kill(trap[1], signal.SIGKILL)
            self._sprung.set()

    def stop_after(self, last_seq: int) -> None:
        """That event, or a heartbeat that knows of it, is all that is still waited for."""
        self._last = last_seq

    def _look(self, event: Map) -> None:
        """Whether a job is as ended as its event says: nobody works in its folder, and no partial is left."""
        kind, job_id = event["type"], event["job_id"]
        workers = working_in(self._work / job_id)
        if workers:
            self.wrong.append(f"{kind} of job {job_id} was published while {workers} still ran")
        partials = [path.name for path in self._out.glob(f".rushes-{job_id}-*")]
        if partials:
            self.wrong.append(f"{kind} of job {job_id} was published while {partials} still existed")
        if kind in {"job.deleted", "job.expired"} and (self._work / job_id).exists():
            self.wrong.append(f"{kind} of job {job_id} was published while its work folder still existed")
