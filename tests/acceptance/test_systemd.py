"""What systemd hears of a daemon: ready once it answers, alive each second, what it does, and that it ends."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.daemon import serving
from tests.support.jobs import lasting
from tests.support.wire import PATIENCE

Told = dict[str, str]


class Systemd:
    """The socket that a service manager listens on."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(PATIENCE)

    def next(self) -> Told:
        """The next message."""
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().split("\n"))

    def until(self, **wanted: str) -> Told:
        """The next message that says all of this."""
        while not (told := self.next()).items() >= wanted.items():
            pass
        return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    found = Systemd(str(tmp_path / "notify"))
    yield found
    found.close()


def test_it_is_ready_when_it_answers_and_alive_from_then_on(systemd: Systemd) -> None:
    with serving(slots=1, env={"NOTIFY_SOCKET": systemd.address}) as daemon:
        first = systemd.next()
        assert first == {"WATCHDOG": "1", "STATUS": "0 running, 0 queued", "READY": "1"}
        for name in ("a", "b"):
            job_id = daemon.submit(lasting(daemon.out / f"{name}.mp4"))["id"]
            daemon.event(job_id, "submitted")
        assert "READY" not in systemd.until(WATCHDOG="1", STATUS="1 running, 1 queued")
        daemon.result("drain")
        systemd.until(WATCHDOG="1", STATUS="1 running, 1 queued, draining")
        environ = Path(f"/proc/{daemon.children().popitem()[1].ffmpeg.pid}/environ").read_bytes()
        assert b"NOTIFY_SOCKET" not in environ
        assert daemon.terminate() == 0
        systemd.until(STOPPING="1")


def test_one_that_finishes_its_jobs_first_says_so(systemd: Systemd) -> None:
    with serving(slots=1, env={"NOTIFY_SOCKET": systemd.address}) as daemon:
        job_id = daemon.rendering(lasting(daemon.out / "a.mp4"))
        daemon.result("shutdown", mode="drain")
        systemd.until(WATCHDOG="1", STATUS="1 running, 0 queued, ending (drain)")
        daemon.result("cancel", job_id=job_id)
        assert daemon.ended() == 0
        systemd.until(STOPPING="1")


def fill(systemd: Systemd) -> None:
    """Send it messages until the kernel takes no more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as stranger, suppress(BlockingIOError):
        while True:
            stranger.sendto(b"STATUS=nobody reads this", systemd.address)


def rename(systemd: Systemd) -> None:
    systemd.address = "@nobody-listens-here"


@pytest.mark.parametrize("spoil", [Systemd.close, rename, fill], ids=["not there", "no such name", "does not read"])
def test_a_manager_that_is_not_there_or_does_not_read_holds_nobody_up(
    systemd: Systemd, spoil: Callable[[Systemd], None]
) -> None:
    spoil(systemd)
    with serving(slots=1, env={"NOTIFY_SOCKET": systemd.address}) as daemon:
        assert daemon.result("status")["running"] == 0
