"""Programs beside the bench, so that it is not their load that it measures: listeners, a submitter, one who is deaf.

`python -m tests.bench.swarm WHAT BUS …`. Each says `ready` when all of it is connected, and ends when its stdin does,
so that none outlives the bench.
"""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq

from tests.bench.measure import REPOSITORY
from tests.bench.ours import all_hearing, pipeline, submits
from tests.bench.stub import commands
from tests.support.wire import Map, sockets_of

DRAIN = 1000
"""Events taken from one connection before the others have their turn."""

QUIET_MS = 500
"""Without an event for so long, a listener that is to end has heard all."""


class Swarm:
    """One of these programs, as the bench holds it."""

    def __init__(self, *words: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
        )  # fmt: skip

    def await_ready(self) -> None:
        """Wait until all of it is connected."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        assert said == "ready", f"{self._process.args!r} did not start"

    def end(self) -> Map:
        """Close its stdin; what it counted."""
        said, _ = self._process.communicate()
        found: Map = json.loads(said or "{}")
        return found

    def is_done(self) -> bool:
        """True once it has said what it counted, or has ended."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def swarm(*words: object) -> Iterator[Swarm]:
    """One of these programs, ready; it is gone afterwards."""
    made = Swarm(*words)
    try:
        made.await_ready()
        yield made
    finally:
        made.kill()


# ------------------------------------------------------------ the programs


def main(what: str, bus: str, *words: str) -> None:
    """Be one of them."""
    match what:
        case "listen":
            listen(bus, int(words[0]))
        case "deaf":
            deaf(bus)
        case "submit":
            submit(bus, int(words[0]), float(words[1]), Path(words[2]), Path(words[3]))
        case _:
            raise SystemExit(f"{what} is none of them")


def ready() -> None:
    print("ready", flush=True)


def listen(bus: str, count: int) -> None:
    """So many subscribers to all jobs; counts what each of them gets."""
    sockets = all_hearing(bus, "job.", count)
    for socket in sockets:
        socket.unsubscribe(b"daemon.heartbeat")
    heard = dict.fromkeys(sockets, 0)
    poller = zmq.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    ready()
    wanted = True
    while True:
        found = dict(poller.poll(QUIET_MS))
        if not found and not wanted:
            break
        if sys.stdin.fileno() in found:
            poller.unregister(sys.stdin.fileno())
            wanted = False
        for socket in found:
            if socket in heard:
                heard[socket] += _drain(socket)
    for socket in sockets:
        socket.close()
    print(json.dumps({"deliveries": sum(heard.values()), "least": min(heard.values(), default=0)}))


def _drain(socket: "zmq.Socket[bytes]") -> int:
    """Take what is there, up to some bound; how many events that were."""
    for taken in range(DRAIN):
        try:
            socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return taken
    return DRAIN


def deaf(bus: str) -> None:
    """A subscriber that never reads."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    with context.socket(zmq.SUB) as socket:
        socket.linger, socket.rcvhwm = 0, 1
        socket.subscribe(b"")
        socket.connect(sockets_of(bus)[1])
        assert socket.poll(10_000), "there is not even a heartbeat"
        ready()
        sys.stdin.read()


def submit(bus: str, rate: int, seconds: float, stub: Path, out: Path) -> None:
    """Submits at a steady rate; counts how many were answered, and over what time."""
    count = int(rate * seconds)
    ready_made = submits(commands(stub, out / "stamps", out, count, "busy-"))
    with pipeline(bus) as pipe:
        ready()
        began = time.perf_counter()
        due = iter(range(count))

        def pace() -> None:
            at = began + next(due) / rate
            while (left := at - time.perf_counter()) > 0:
                pipe.take(0, wait=False)
                time.sleep(min(left, 0.001))

        pipe.run(ready_made, pace=pace)
        took = time.perf_counter() - began
    print(json.dumps({"count": count, "seconds": took}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
