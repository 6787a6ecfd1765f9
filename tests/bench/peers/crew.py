"""A peer that has processes of its own: its broker, its workers, and whatever these started.

All of them are known by a mark in their environment, which children inherit: so those that a killed worker left behind
are found too, whatever session or parent they have by then.
"""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from tests.bench.peers.base import WORKERS, Peer

MARK = "RUSHES_BENCH_PEER"
BROKER = "RUSHES_BENCH_BROKER"
"""Where the workers find their broker: a URL, or a file."""
READY = "RUSHES_BENCH_READY"
"""The folder in which each worker leaves a file once it takes work."""

READY_SECONDS = 30.0
END_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.005
"""Between two looks at something that tells nobody when it changes. The same for every peer."""

ROOT = Path(__file__).resolve().parents[3]

NOTHING: Mapping[str, str] = MappingProxyType({})

numbers = itertools.count()


def wait_each(ids: Sequence[str], ended: Callable[[str], bool], timeout: float) -> bool:
    """Look at one task after the other until it has ended; False once `timeout` seconds are over."""
    end = time.monotonic() + timeout
    for task in ids:
        while not ended(task):
            if time.monotonic() >= end:
                return False
            time.sleep(LOOK_AGAIN_SECONDS)
    return True


def say_ready(*_: object, **__: object) -> None:
    """In a worker: it takes work now."""
    (Path(os.environ[READY]) / f"{os.getpid()}-{threading.get_ident()}").touch()


class Crew:
    """The marked processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"{os.getpid()}.{next(numbers)}"
        self.roots: list[subprocess.Popen[bytes]] = []

    def start(
        self, command: Sequence[str], environment: Mapping[str, str] = NOTHING, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start one; what it says goes to a log in the folder."""
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with (self.folder / "peer.log").open("ab") as log:
            child = subprocess.Popen(
                command,
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), MARK: self.mark, **environment},
                stdin=stdin,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that a ^C at the terminal reaches the bench alone, which then ends these
            )
        self.roots.append(child)
        return child

    def await_ready(self, ready: Callable[[], bool], what: str) -> None:
        """Until it is; TimeoutError after READY_SECONDS, and at once where a process has ended."""
        end = time.monotonic() + READY_SECONDS
        while not ready():
            ended = [child.args for child in self.roots if child.poll() is not None]
            if ended or time.monotonic() >= end:
                said = (self.folder / "peer.log").read_text(errors="replace")[-2000:]
                raise TimeoutError(f"{what}: {'it ended' if ended else f'not ready in {READY_SECONDS} s'}\n{said}")
            time.sleep(LOOK_AGAIN_SECONDS)

    def kill_same(self, command: Sequence[str]) -> None:
        """SIGKILL those started as `command` and their forks, which /proc shows with the same command line.

        The first one goes first, or it would see its own workers die and act on it. What they run has another command
        line, and lives on.
        """
        line = b"".join(os.fsencode(word) + b"\0" for word in command)
        first = [child for child in self.roots if child.args == command]
        for child in first:
            child.kill()
        for child in first:
            child.wait(END_SECONDS)
            self.roots.remove(child)
        self._kill_all(lambda pid: read(pid, "cmdline") == line)

    def end(self) -> None:
        """SIGKILL to all that was started here, some of which overwrites its environment (Redis), and to all marked."""
        for child in reversed(self.roots):
            child.kill()
        self._kill_all(lambda _: True)
        for child in self.roots:
            child.wait(END_SECONDS)
            if child.stdin is not None:
                child.stdin.close()
        self.roots.clear()

    def _kill_all(self, which: Callable[[int], bool]) -> None:
        end = time.monotonic() + END_SECONDS
        while found := [pid for pid in self.pids() if which(pid)]:
            for pid in found:
                kill(pid)
            for child in self.roots:
                child.poll()
            if time.monotonic() >= end:
                raise TimeoutError(f"these do not go: {found}")
            time.sleep(LOOK_AGAIN_SECONDS)

    def pids(self) -> list[int]:
        """Of all that have the mark."""
        needle = f"{MARK}={self.mark}".encode()
        numbers_there = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in numbers_there if needle in read(pid, "environ").split(b"\0")]


def read(pid: int, name: str) -> bytes:
    """A file of a process; nothing where it has ended or is not ours."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def kill(pid: int) -> None:
    """SIGKILL, if it is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class CrewPeer(Peer):
    """What all peers with worker processes have in common. A subclass says how to open its broker and what to start."""

    ready_files: int | None = None
    """How many files tell that the workers are ready; None: as many as there are workers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.crew = Crew(folder)
        self.workers = 0
        self.broker = ""

    @abstractmethod
    def open(self) -> None:
        """Start the broker, set `self.broker`, and make the client that submits."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the client, if there is one. The broker is ended after it."""

    @abstractmethod
    def commands(self, workers: int) -> list[list[str]]:
        """What to start for so many workers: arguments of the Python that runs this."""

    def start(self, workers: int = WORKERS) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.workers = workers
        try:
            self.open()
            self.restart_workers()
        except BaseException:
            self.stop()
            raise

    def restart_workers(self) -> None:
        if not self.workers:
            return
        ready = self.folder / f"ready-{next(numbers)}"
        ready.mkdir()
        environment = {BROKER: self.broker, READY: str(ready)}
        for command in self.commands(self.workers):
            self.crew.start([sys.executable, "-m", *command], environment)
        self.crew.await_ready(lambda: self.are_ready(ready), f"the workers of {self.name}")

    def are_ready(self, folder: Path) -> bool:
        """True once all workers take work: each has said so by a file in `folder`."""
        return len(list(folder.iterdir())) >= (self.ready_files or self.workers)

    def kill_workers(self) -> None:
        for command in self.commands(self.workers):
            self.crew.kill_same([sys.executable, "-m", *command])

    def stop(self) -> None:
        try:
            self.close()
        finally:
            self.crew.end()
