"""A daemon whose Queue hangs is no longer said to be alive, though its hub is, and all others with it."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from actors.config import load
from actors.daemon import Daemon
from actors.job_queue import HEARTBEAT_SECONDS
from actors.jobs.keeper import Keeper
from bus.client import Client
from tests.support.wire import PATIENCE

HUNG_SECONDS = 3 * HEARTBEAT_SECONDS


@pytest.fixture
def manager(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(str(folder / "notify"))
        found.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        yield found


def test_a_queue_that_hangs_feeds_no_watchdog(
    folder: Path, ffmpeg: Path, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(keeper: Keeper) -> None:
        hangs.set()
        assert goes_on.wait(PATIENCE)

    given = {"data": str(folder / "data"), "bus": f"ipc://{folder}/bus", "ffmpeg": str(ffmpeg)}
    daemon = Daemon(load(given, environ={}))

    def shut_down() -> None:
        goes_on.set()
        with Client(given["bus"], deadline=PATIENCE) as last:
            last.shutdown()

    with (
        ThreadPoolExecutor(2, thread_name_prefix="main") as pool,
        ExitStack() as stack,
        Client(given["bus"], deadline=PATIENCE) as client,
        Client(given["bus"], deadline=PATIENCE) as other,  # for the other thread
    ):
        status = pool.submit(daemon.run)
        stack.callback(shut_down)  # also after a failure: the pool waits for the daemon
        for _ in range(2):
            assert b"WATCHDOG=1" in manager.recv(4096)
        with monkeypatch.context() as hanging:
            hanging.setattr(Keeper, "look_for_room", hang)
            drained = pool.submit(other.drain)
            assert hangs.wait(PATIENCE)
        assert client.list().jobs == [], "hub and Archive go on"
        manager.settimeout(HUNG_SECONDS)
        heard = 0
        with suppress(TimeoutError):
            while heard < 3:
                manager.recv(4096)
                heard += 1
        assert heard < 3, "what was on its way, and then nothing"
        manager.settimeout(PATIENCE)
        goes_on.set()
        drained.result(PATIENCE)
        assert b"WATCHDOG=1" in manager.recv(4096)
    assert status.result(PATIENCE) == 0
