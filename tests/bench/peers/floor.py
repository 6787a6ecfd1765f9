"""The floors under all peers: what runs commands two at a time and does nothing else. Neither has a disk."""

import contextlib
import fcntl
import itertools
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from tests.bench.peers.base import WORKERS, Peer
from tests.bench.peers.crew import END_SECONDS, LOOK_AGAIN_SECONDS, Crew, wait_each

PIPE_BYTES = 1 << 20
"""Of xargs' stdin, so that a few thousand commands can be written before it reads them; the kernel's usual bound."""


class PopenLoop(Peer):
    """A thread for each slot, which takes a command, starts it and waits for it."""

    name = "Popen loop"
    durability = "nothing"
    syncs = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._log: BinaryIO | None = None
        self._line: queue.SimpleQueue[tuple[str, Sequence[str]] | None] = queue.SimpleQueue()
        self._numbers = itertools.count()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._said: dict[str, str] = {}
        self._slots: list[threading.Thread] = []
        self._stopping = False

    @classmethod
    def missing(cls) -> str | None:
        return None

    @classmethod
    def version(cls) -> str:
        return f"Python {sys.version.split()[0]}"

    def start(self, workers: int = WORKERS) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log = (self.folder / "peer.log").open("ab")
        self._slots = [threading.Thread(target=self._slot, name=f"popen-{number}") for number in range(workers)]
        for slot in self._slots:
            slot.start()

    def stop(self) -> None:
        """What still waits is dropped; what runs is killed with all that it started."""
        self._stopping = True
        for _ in self._slots:
            self._line.put(None)
        end = time.monotonic() + END_SECONDS
        while any(slot.is_alive() for slot in self._slots):  # one that was about to start its child, in the next turn
            for child in list(self._running.values()):
                kill_group(child)
            if time.monotonic() >= end:
                raise TimeoutError(f"these do not go: {sorted(self._running)}")
            time.sleep(LOOK_AGAIN_SECONDS)
        if self._log is not None:
            self._log.close()

    def submit(self, argv: Sequence[str]) -> str:
        task = str(next(self._numbers))
        self._line.put((task, argv))
        return task

    def wait(self, ids: Sequence[str], timeout: float) -> bool:
        return wait_each(ids, self._said.__contains__, timeout)

    def cancel(self, task: str) -> None:
        """SIGTERM to the child."""
        self._running[task].terminate()

    def state(self, task: str) -> str:
        """The exit status, once there is one."""
        return self._said.get(task) or ("running" if task in self._running else "waiting")

    def _slot(self) -> None:
        while (taken := self._line.get()) is not None:
            if self._stopping:
                continue
            task, argv = taken
            try:
                child = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, start_new_session=True
                )
            except OSError as error:
                self._said[task] = str(error)
                continue
            self._running[task] = child
            self._said[task] = f"exit status {child.wait()}"
            del self._running[task]


class Xargs(Peer):
    """`xargs -P 2 -I {} sh -c {}`, with the commands on its stdin. It tells of no task; only its own end is known."""

    name = "xargs -P2"
    durability = "nothing"
    syncs = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._numbers = itertools.count()
        self._workers = WORKERS
        self._crew = Crew(folder)
        self._child: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str | None:
        return None if shutil.which("xargs") else "xargs is not installed"

    @classmethod
    def version(cls) -> str:
        said = subprocess.run(["xargs", "--version"], capture_output=True, text=True, check=False, timeout=END_SECONDS)
        return said.stdout.partition("\n")[0] or "xargs"

    def start(self, workers: int = WORKERS) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._workers = workers
        if workers:  # -P 0 would be as many as it can
            self.restart_workers()

    def restart_workers(self) -> None:
        """A new one, which knows nothing of what the one before was to do."""
        command = ["xargs", "-0", f"-P{self._workers}", "-I{}", "sh", "-c", "{}"]
        self._child = self._crew.start(command, stdin=subprocess.PIPE)
        assert self._child.stdin is not None
        fcntl.fcntl(self._child.stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def stop(self) -> None:
        self._crew.end()

    def submit(self, argv: Sequence[str]) -> str:
        self._feed([argv])
        return str(next(self._numbers))

    def submit_many(self, commands: Sequence[Sequence[str]]) -> None:
        self._feed(commands)

    def wait(self, ids: Sequence[str], timeout: float) -> bool:
        """The list ends here, and so does xargs once it has done it: the next submit starts another."""
        child = self._xargs()
        assert child.stdin is not None
        child.stdin.close()
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def cancel(self, task: str) -> None:
        """SIGTERM to xargs itself: it has no other way to be told."""
        self._xargs().terminate()

    def state(self, task: str) -> str:
        """How xargs itself is."""
        status = self._xargs().poll()
        if status is None:
            return "xargs runs"
        return f"xargs: {signal.Signals(-status).name}" if status < 0 else f"xargs: exit status {status}"

    def kill_workers(self) -> None:
        child = self._xargs()
        child.kill()
        child.wait(END_SECONDS)

    def _xargs(self) -> subprocess.Popen[bytes]:
        assert self._child is not None, "it was started without workers"
        return self._child

    def _feed(self, commands: Sequence[Sequence[str]]) -> None:
        child = self._xargs()
        if child.stdin is None or child.stdin.closed or child.poll() is not None:
            self.restart_workers()
            child = self._xargs()
        assert child.stdin is not None
        data = b"".join(os.fsencode(f"exec {shlex.join(argv)}") + b"\0" for argv in commands)
        view = memoryview(data)
        while view:
            view = view[os.write(child.stdin.fileno(), view) :]


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the group of a child that nobody has waited for yet."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
