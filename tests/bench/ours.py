"""Rushes as one of those who are measured, and what only Rushes has: its own protocol, spoken raw."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import zmq

from tests.bench.peers.base import WORKERS, Peer
from tests.support.daemon import Daemon
from tests.support.wire import Map, command, pack, sockets_of

WINDOW = 4000
"""Submits under way at once: enough that the daemon never waits for the client, far below what makes it say `busy`."""

PATIENCE_MS = 60_000
"""For one reply. It takes milliseconds; without an end a defect would hang the bench."""

QUIETLY = ("-y", "-nostdin", "-hide_banner", "-nostats", "-loglevel", "error")
"""What everybody else's FFmpeg is told first; what of it is to be Rushes tells it by itself."""

ENDS = (b"completed", b"failed", b"cancelled")

HEARTBEAT = b"daemon.heartbeat"


class BenchDaemon(Daemon):
    """A daemon whose data is on a real disk; only its sockets and its log are in /tmp."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(bus="ipc://{base}/bus", **options)
        self.data = folder / "data"


class Rushes(Peer):
    """A daemon as a process of its own, driven over its bus.

    Args:
        folder: where its data is.
        program: its FFmpeg; the stub's outputs are no films, so they are not verified.

    """

    name = "Rushes"
    durability = "SQLite, fsync before each ok"
    syncs = True

    def __init__(self, folder: Path, program: Path) -> None:
        super().__init__(folder)
        self.program = program
        self.verify = "none" if program.name == "stub" else "full"

    @classmethod
    def missing(cls) -> str | None:
        """It is always there."""
        return None

    @classmethod
    def version(cls) -> str:
        """As its daemon says."""
        from importlib.metadata import version

        return version("rushes")

    def start(self, workers: int = WORKERS) -> None:
        """With 0 workers it drains: what is submitted is queued."""
        self.daemon = BenchDaemon(self.folder, slots=workers or 1, ffmpeg=self.program)
        self.daemon.start()
        if workers == 0:
            self.daemon.result("drain")

    def stop(self) -> None:
        """SIGTERM; that it leaves nothing behind is checked."""
        self.daemon.close()

    def submit(self, argv: Sequence[str]) -> str:
        """One at a time."""
        return str(self.daemon.submit(job(argv, self.verify))["id"])

    def submit_many(self, commands: Sequence[Sequence[str]]) -> None:
        """Pipelined, each reply looked at."""
        with pipeline(self.daemon.bus) as pipe:
            pipe.run(submits(commands, self.verify))

    def run_all(self, commands: Sequence[Sequence[str]]) -> float:
        """Seconds from the first submit until the last job was heard to be completed, which all of them must be."""
        ready = submits(commands, self.verify)
        ends: Counter[bytes] = Counter()
        with hearing(self.daemon.bus, "job.") as events, pipeline(self.daemon.bus) as pipe:
            began = time.perf_counter()
            pipe.run(ready)
            while ends.total() < len(ready):
                kind = next_topic(events).rpartition(b".")[2]
                ends[kind] += kind in ENDS
            took = time.perf_counter() - began
        assert ends[b"completed"] == len(ready), f"not all of {len(ready)} jobs completed: {ends}"
        return took

    def wait(self, ids: Sequence[str], timeout: float) -> bool:
        """Asks for each with a `wait`: the reply comes when it has ended."""
        end = time.monotonic() + timeout
        for job_id in ids:
            left = max(0.0, end - time.monotonic())
            job = self.daemon.result("get", job_id=job_id, wait=left)["job"]
            if job["status"] in ("queued", "processing"):
                return False
        return True

    def cancel(self, task: str) -> None:
        """The `cancel` command."""
        self.daemon.result("cancel", job_id=task)

    def state(self, task: str) -> str:
        """The job's status."""
        return str(self.daemon.view(task)["status"])

    def kill_workers(self) -> None:
        """SIGKILL to the daemon."""
        self.daemon.kill9()

    def restart_workers(self) -> None:
        """A new daemon on the same data."""
        self.daemon.start()


def job(argv: Sequence[str], verify: str = "none") -> Map:
    """The job that runs what `argv` runs."""
    words = list(argv[1:])
    if tuple(words[: len(QUIETLY)]) == QUIETLY:
        del words[: len(QUIETLY)]
    inputs = []
    while "-i" in words:
        at = words.index("-i")
        inputs.append({"path": words[at + 1], "args": words[:at]})
        del words[: at + 2]
    return {"inputs": inputs, "outputs": [{"path": words[-1], "args": words[:-1], "verify": verify}]}


def submits(commands: Iterable[Sequence[str]], verify: str = "none") -> list[bytes]:
    """The submits as they go over the wire, packed beforehand, so that the sender costs little while it sends."""
    return [pack(command("submit", {"job": job(argv, verify)})) for argv in commands]


class Pipe:
    """A raw DEALER with up to WINDOW commands under way."""

    def __init__(self, socket: "zmq.Socket[bytes]") -> None:
        self.socket = socket
        self.results: list[Map] = []
        self._under_way = 0

    def run(self, commands: Iterable[bytes], *, pace: Callable[[], None] = lambda: None) -> None:
        """Send all of them, calling `pace` before each, and take every reply; each must be ok."""
        for body in commands:
            pace()
            self.socket.send(body)
            self._under_way += 1
            if self._under_way >= WINDOW:
                self.take(WINDOW // 2)
        self.take(0)

    def take(self, most: int, *, wait: bool = True) -> None:
        """Take replies until no more than `most` are outstanding; without `wait` only those that are there."""
        while self._under_way > most:
            try:
                body = self.socket.recv(0 if wait else zmq.NOBLOCK)
            except zmq.Again:
                if wait:
                    raise TimeoutError(f"no reply within {PATIENCE_MS / 1000:g} s") from None
                return
            reply = msgpack.unpackb(body)
            assert reply["ok"] is True, f"refused: {reply['error']}"
            self.results.append(reply["result"])
            self._under_way -= 1


@contextmanager
def pipeline(bus: str) -> Iterator[Pipe]:
    """A connection for pipelined commands."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    with context.socket(zmq.DEALER) as socket:
        socket.linger = socket.sndhwm = socket.rcvhwm = 0
        socket.rcvtimeo = PATIENCE_MS
        socket.connect(sockets_of(bus)[0])
        yield Pipe(socket)


def hearing(bus: str, topic: str) -> "zmq.Socket[bytes]":
    """A subscriber that hears all from now on. To be closed."""
    return all_hearing(bus, topic, 1)[0]


def all_hearing(bus: str, topic: str, count: int) -> "list[zmq.Socket[bytes]]":
    """So many of them: each has heard a heartbeat, of which there is one a second."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    sockets = [context.socket(zmq.SUB) for _ in range(count)]
    for socket in sockets:
        socket.linger = socket.rcvhwm = 0
        socket.subscribe(topic.encode())
        socket.subscribe(HEARTBEAT)
        socket.connect(sockets_of(bus)[1])
    for socket in sockets:
        while next_topic(socket) != HEARTBEAT:
            pass
    return sockets


def next_topic(socket: "zmq.Socket[bytes]") -> bytes:
    """The topic of the next event; its body is not looked at."""
    if not socket.poll(PATIENCE_MS):
        raise TimeoutError(f"no event within {PATIENCE_MS / 1000:g} s")
    return socket.recv_multipart()[0]
