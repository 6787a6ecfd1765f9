"""What a round does to the daemon and to its children, and a note of all that explains how jobs may end."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.soak.client import Board
from tests.soak.ear import Ear
from tests.soak.plan import EXISTING, GRACE, SHARED, Order, Strike
from tests.soak.recipes import RECIPES
from tests.support.daemon import Child, Daemon

STOP_SECONDS = 3 * GRACE + 2.0
"""What a daemon that was told to stop may take: the ladder at its children, and two seconds on a busy machine."""

EVENT_SECONDS = 0.6
"""How long a strike waits for its event; then it hits all the same."""

WORDS = b"somebody's own work"
"""What an intruder writes where a job's output is to be."""


class Striker:
    """Kills, stops, starts. Used by one thread, which is also the only one that uses the daemon.

    Attributes:
        done: how often each thing was done.
        struck: the jobs of which a child was killed, whose failure or recovery is no wonder.
        thawed: the jobs of which a child was let go on, though it may have been paused.
        intruders: the files that somebody else put where outputs were to be, or in their place.
        wrong: what the daemon did that it must not.

    """

    def __init__(self, daemon: Daemon, board: Board, ear: Ear) -> None:
        self.done: Counter[str] = Counter()
        self.struck: set[str] = set()
        self.thawed: set[str] = set()
        self.intruders: set[Path] = set()
        self.wrong: list[str] = []
        self._daemon = daemon
        self._board = board
        self._ear = ear

    def strike(self, strike: Strike) -> None:
        """Do one thing; what has no child to hit hits nobody."""
        time.sleep(strike.pause)  # a random instant is all that is wanted
        self.done[strike.kind] += 1
        match strike.kind:
            case "kill":
                self._kill()
            case "kill_and_stay_away":
                self._kill(away=strike.seconds)
            case "kill_while_starting":
                self._kill()
                time.sleep(strike.seconds)
                self._kill()
            case "kill_at_event":
                self._kill_at(strike.event)
            case "kill_with_child":
                self._end()
                self._at_child(strike.nth, self._kill_group)
                self._daemon.launch()
            case "terminate":
                self._stop(lambda: self._daemon.signal(signal.SIGTERM))
            case "shutdown":
                self._stop(lambda: self._daemon.result("shutdown"))
            case "leave":
                self._stop(lambda: self._daemon.result("shutdown", mode="leave"))
            case "hurry":
                self._stop(lambda: self._tell_twice(strike.seconds * GRACE))
            case "terminate_and_kill":
                self._daemon.await_ready()
                self._daemon.signal(signal.SIGTERM)
                time.sleep(strike.seconds * GRACE)
                self._end(may_be_gone=True)
                self._daemon.launch()
            case "intrude":
                self._intrude(strike.nth)
            case "replace":
                self.replace(strike.nth)
            case _:
                self._at_child(strike.nth, getattr(self, f"_{strike.kind}"))

    @property
    def kills(self) -> int:
        """How often the daemon was killed."""
        twice = 2 * self.done["kill_while_starting"]
        once = ("kill", "kill_at_event", "kill_and_stay_away", "kill_with_child", "terminate_and_kill")
        return twice + sum(self.done[kind] for kind in once)

    # ------------------------------------------------------------ at the daemon

    def _kill(self, away: float = 0.0) -> None:
        self._end()
        time.sleep(away)
        self._daemon.launch()

    def _tell_twice(self, pause: float) -> None:
        """SIGTERM, and once more for a daemon that has not ended meanwhile."""
        self._daemon.signal(signal.SIGTERM)
        time.sleep(pause)
        send(self._daemon.pid, signal.SIGTERM)

    def _kill_at(self, event: str) -> None:
        """SIGKILL in the moment of an event: what was said a moment ago must be on disk."""
        self._daemon.await_ready()
        self._ear.kill_at(event, self._daemon.pid, EVENT_SECONDS)
        self._daemon.kill9()
        self._daemon.launch()

    def _end(self, *, may_be_gone: bool = False) -> None:
        """SIGKILL. One that was told to stop may be gone already; any other may not."""
        if self._daemon.running():
            self._daemon.kill9()
            return
        status = self._daemon.ended()
        if status != 0 or not may_be_gone:
            self.wrong.append(f"the daemon ended by itself with {status}")

    def _stop(self, ask: Callable[[], object]) -> None:
        self._daemon.await_ready()
        ask()
        began = time.monotonic()
        status = self._daemon.ended()
        took = time.monotonic() - began
        if status != 0:
            self.wrong.append(f"the daemon ended with {status} when it was asked to stop")
        if took > STOP_SECONDS:
            self.wrong.append(f"the daemon took {took:.1f} s to stop")
        self._daemon.launch()

    # ------------------------------------------------------------ at its children

    def _at_child(self, nth: int, hit: Callable[[str, Child], None]) -> None:
        children = list(self._daemon.children().items())
        if children:
            hit(*children[nth % len(children)])

    def _kill_ffmpeg(self, job_id: str, child: Child) -> None:
        self._end_child(job_id, child.ffmpeg.pid, signal.SIGKILL)

    def _kill_shim(self, job_id: str, child: Child) -> None:
        self._end_child(job_id, child.shim.pid, signal.SIGKILL)

    def _kill_group(self, job_id: str, child: Child) -> None:
        self._end_child(job_id, -child.shim.pid, signal.SIGKILL)

    def _terminate_group(self, job_id: str, child: Child) -> None:
        self._end_child(job_id, -child.shim.pid, signal.SIGTERM)

    def _freeze_ffmpeg(self, job_id: str, child: Child) -> None:
        send(child.ffmpeg.pid, signal.SIGSTOP)

    def _freeze_group(self, job_id: str, child: Child) -> None:
        send(-child.shim.pid, signal.SIGSTOP)

    def _thaw(self, job_id: str, child: Child) -> None:
        self.thawed.add(job_id)
        send(-child.shim.pid, signal.SIGCONT)

    def _end_child(self, job_id: str, whom: int, number: signal.Signals) -> None:
        self.struck.add(job_id)
        send(whom, number)

    # ------------------------------------------------------------ at its files

    def _intrude(self, nth: int) -> None:
        """Put a file where a job that may not overwrite is just making one, unless it has."""
        orders = [order for job_id in self._daemon.children() if (order := self._board.order_of(job_id)) is not None]
        paths = [order.last_path(self._daemon.out) for order in orders if may_be_intruded(order)]
        if not paths:
            return
        path = paths[nth % len(paths)]
        try:
            with path.open("xb") as file:
                file.write(WORDS)
        except FileExistsError:
            return
        self.intruders.add(path)

    def replace(self, nth: int) -> None:
        """Put another file in the place of a completed output, as somebody does who goes on working on it."""
        self._daemon.await_ready()
        jobs = self._daemon.result("list", status=["completed"])["jobs"]
        if not jobs:
            return
        path = Path(jobs[nth % len(jobs)]["outputs"][0]["path"])
        if path.name in (*EXISTING, *SHARED):
            return
        self.intruders.add(path)
        fresh = self._daemon.base / "fresh"
        fresh.write_bytes(WORDS)
        fresh.replace(path)


def may_be_intruded(order: Order) -> bool:
    """True for a job that would complete, and must not where a file is in its way."""
    overwrites = order.job.get("overwrite", False)
    return RECIPES[order.recipe].completes and not overwrites and order.last_path(Path()).name not in SHARED


def send(whom: int, number: signal.Signals) -> None:
    """Signal a process, or a group where `whom` is negative; one that has just ended needs none."""
    try:
        os.kill(whom, number)
    except ProcessLookupError:
        return
