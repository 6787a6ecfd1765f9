"""What a flood is made of, and what it costs the daemon: memory and descriptors as the kernel counts them."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.daemon import Daemon
from tests.support.wire import Map, command, pack
from tests.support.zmtp import Peer, frame

MIB = 1024 * 1024

SOON = 5.0
"""What a command may take while others flood the daemon. It takes some tenths of a second; without a line for each
client it takes the time of the flood, ten seconds and more. The rest is for a machine that others use, too."""

RESIDENT = re.compile(r"VmRSS:\s+(\d+) kB")


def memory(pid: int) -> int:
    """Bytes of a process that are in memory now."""
    found = RESIDENT.search(Path(f"/proc/{pid}/status").read_text())
    assert found, f"process {pid} has no memory"
    return int(found[1]) * 1024


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def packed(kind: str, ids: Iterable[str], **fields: Any) -> Iterator[bytes]:
    """The same command for each id, as the bytes of its message."""
    for command_id in ids:
        yield pack(command(kind, {"id": command_id, **fields}))


def stream(bodies: Iterable[bytes]) -> memoryview:
    """Messages as they go over the wire, packed beforehand, so that the sender costs nothing while it sends."""
    return memoryview(b"".join(map(frame, bodies)))


@contextmanager
def pushing(seconds: float, *loads: tuple[Peer, memoryview]) -> Iterator[Callable[[], bool]]:
    """Push each load over its connection, each in a thread of its own, which reads nothing; whether they still do."""
    threads = [threading.Thread(target=peer.push, args=(load, seconds)) for peer, load in loads]
    for thread in threads:
        thread.start()
    try:
        yield lambda: any(thread.is_alive() for thread in threads)
    finally:
        for thread in threads:
            thread.join()


class Customer:
    """One who asks one thing after the other, and notes how long each took, and what the daemon's memory was."""

    def __init__(self, daemon: Daemon, *asks: tuple[str, Map]) -> None:
        self._daemon = daemon
        self._asks = asks
        self.before = memory(daemon.pid)
        self.took: list[float] = []
        self.most = self.before

    def ask(self) -> None:
        """Each of its commands once; `busy` is no answer for one who has sent nothing else."""
        for kind, fields in self._asks:
            began = time.monotonic()
            reply = self._daemon.ask(kind, **fields)
            self.took.append(time.monotonic() - began)
            assert reply["ok"] or reply["error"]["code"] == "not_found", f"{kind} was refused: {reply}"
        self.most = max(self.most, memory(self._daemon.pid))

    @property
    def grown(self) -> int:
        """Bytes by which the daemon has grown at the most."""
        return self.most - self.before

    def told(self) -> str:
        """The figures, for whoever reads the test's output."""
        return f"{len(self.took)} commands, slowest {max(self.took):.3f} s, grown by {self.grown / MIB:.0f} MiB"
