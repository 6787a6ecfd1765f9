"""Daemons that can be told at which step to die, and the one after each, which is to find everything in order."""

import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from tests.support.daemon import Daemon
from tests.support.processes import eventually
from tests.support.wire import PATIENCE

DOOMED = (sys.executable, "-P", str(Path(__file__).with_name("doomed.py")))

HASTE = ("actors.janitor:SWEEP_SECONDS=0.1", "actors.render:PROGRESS_SECONDS=0.1")
"""How long the daemon lets pass between two looks decides nothing here, but costs the tests many seconds."""

COMMIT = "contextlib:_GeneratorContextManager.__exit__"
"""What ends `with store.transaction()`: before it, all is written, and nothing is on disk."""

FALL_SECONDS = PATIENCE
"""What a daemon may take to come to its point. The slowest needs a second."""


class Point(NamedTuple):
    """Where a daemon dies, as doomed.py reads it, and what has and has not happened by then."""

    at: str
    so_far: str


def told(points: Sequence[Point]) -> list[str]:
    """The points' names in pytest's report."""
    return [f"{point.at}: {point.so_far}" for point in points]


class Forked:
    """A daemon that a nursery has forked, as far as `Daemon` uses a Popen: the nursery tells of its end."""

    def __init__(self, nursery: "subprocess.Popen[bytes]") -> None:
        assert nursery.stdout is not None
        self._told = nursery.stdout
        self.pid = int(self._told.readline())
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status, None while it has none."""
        if self._status is None and select.select([self._told], [], [], 0)[0]:
            self._status = int(self._told.readline())
        return self._status

    def wait(self, timeout: float) -> int:
        """The same, once it has one."""
        eventually(lambda: self.poll() is not None, f"daemon {self.pid} ends", timeout)
        assert self._status is not None
        return self._status


class DoomedDaemon(Daemon):
    """Daemons that each live until they are told where to die. Their options stay the same."""

    def __init__(self, **options: Any) -> None:
        super().__init__(program=(*DOOMED, *HASTE, "--"), **options)
        self._told_at = 0
        with self._stderr.open("ab") as stderr:
            self._nursery = subprocess.Popen(
                self.command(),
                bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                env=self.environment(), cwd=self.base,
            )  # fmt: skip

    def launch(self, at: str = "") -> None:
        """Start it; where a point is given, with that in its way."""
        assert self._running is None, "it runs already"
        self._order(at)
        self._running = cast("subprocess.Popen[bytes]", Forked(self._nursery))

    def _order(self, line: str) -> None:
        assert self._nursery.stdin is not None
        self._told_at = len(self.stderr())
        self._nursery.stdin.write(f"{line}\n".encode())

    @property
    def pids(self) -> set[int]:
        """Its own and the nursery's."""
        return {self._nursery.pid, self.pid}

    def doom(self, at: str) -> None:
        """Have it die when it comes to that point."""
        self._order(at)
        answer = eventually(lambda: self._said(at), f"an answer to {at}")
        assert '"doomed"' in answer[0], answer[0]

    def _said(self, at: str) -> list[str]:
        """The lines on its stderr, since it was told where to die, that speak of that point."""
        return [line for line in self.stderr()[self._told_at :].splitlines() if f'"{at}' in line]

    def fall(self, at: str) -> None:
        """Wait until it has died at that point, and of nothing else."""
        eventually(lambda: not self.running(), f"the daemon comes to the point: {at}", FALL_SECONDS)
        assert self.ended() == -signal.SIGKILL
        assert '"fallen"' in self._said(at)[-1], "it died of something else"

    def close(self) -> None:
        try:
            status = self.terminate() if self.running() else 0
        finally:
            self._nursery.kill()
            self._nursery.communicate()
        super().close()
        assert status == 0, f"the daemon ended with {status} on SIGTERM"


@contextmanager
def dooming(**options: Any) -> Iterator[DoomedDaemon]:
    """A daemon that answers, and is gone afterwards."""
    daemon = DoomedDaemon(**options)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.close()
