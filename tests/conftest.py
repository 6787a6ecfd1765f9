"""For every test: it ends in time, and leaves no thread, process or open file behind."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TypeVar

import pytest
import zmq
import zmq.asyncio
from zmq.utils import garbage

from tests.support.fakes import make_temperamental
from tests.support.media import Clips, find_ffmpeg
from tests.support.processes import own_children

TEST_SECONDS = 120
"""A test that takes longer hangs. The slowest needs a tenth of it."""

AGAIN_SECONDS = 10
"""Then whatever waits at the end of a block or of a fixture for what the test did not come to has so long, each."""

for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    # Whoever ran this with nohup or in the background has them ignored, which every program started here would inherit.
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

LONGEST = (
    *("test_doctor", "test_doctor_daemon", "test_webhooks", "test_soak", "test_pause", "test_cli_tail_follow"),
    *("test_fault_points_pause", "test_cli_tail", "test_recovery", "test_upgrade", "test_docs", "test_cli_log"),
    *("test_top_keys", "test_top_recovery", "test_metrics", "test_cli_tail_lines", "test_client", "test_cli_usage"),
)
"""The files that take longest, most of it waiting: they begin first, so that no worker has one left when all others are
done. `pytest --durations=80` says whether they still are; a name too many or too few costs seconds and no more."""

T = TypeVar("T")

SETTLE_SECONDS = 5
"""What a closed socket's threads and descriptors may take to be gone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; else as they come."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


class Hangs(BaseException):
    """The test did not end in time. No `except Exception` in it swallows this."""


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.is_alive()}


def _children() -> set[int]:
    return {child.pid for child in own_children()}


def _descriptors() -> dict[str, str]:
    """What this process holds open, by descriptor."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[entry.name] = str(entry.readlink())
        except OSError:
            continue  # the one that lists the folder
    return found


def _more(now: set[T], before: set[T]) -> set[T]:
    """What is new, where there is more than before."""
    return now - before if len(now) > len(before) else set()


@pytest.fixture(scope="session", autouse=True)
def zeromq() -> None:
    """ZeroMQ's own threads and descriptors, which stay: a process's contexts begin with their first sockets, and the
    collector with the first message that is sent without a copy.
    """
    zmq.Context.instance().socket(zmq.DEALER).close()
    zmq.asyncio.Context.instance().socket(zmq.DEALER).close()
    zmq.Frame(bytes(1024 * 1024), copy=False)
    assert garbage.gc.is_alive()


@pytest.fixture(autouse=True)
def ends_in_time() -> Iterator[None]:
    """Raise in a test that hangs, wherever it waits."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hangs(f"not done after {TEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, TEST_SECONDS, AGAIN_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def leaves_nothing_behind(ends_in_time: None) -> Iterator[None]:
    """Fail a test after which a thread, a child or an open file is left that was not there before."""
    threads, children, descriptors = _threads(), _children(), _descriptors()
    yield
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        left = {
            "threads": _threads() - threads,
            # A daemon may have been started again, a connection made anew: the number counts.
            "children": _more(_children(), children),
            "files": _more(set(_descriptors().items()), set(descriptors.items())),
        }
        if not any(left.values()):
            return
        assert time.monotonic() < end, f"the test (pid {os.getpid()}) left behind: {left}"
        time.sleep(0.01)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's cache while the tests run, which all workers share; the real one is neither read nor written."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    os.environ["XDG_CACHE_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def ffmpeg() -> Path:
    """The real FFmpeg."""
    return find_ffmpeg()


@pytest.fixture(scope="session")
def temperamental(ffmpeg: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The FFmpeg that misbehaves where a job's arguments say so."""
    return make_temperamental(tmp_path_factory.mktemp("fakes"), ffmpeg)


@pytest.fixture(scope="session")
def clips(ffmpeg: Path, tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Clips that the whole run shares; nobody may write to them."""
    return Clips(ffmpeg, tmp_path_factory.mktemp("clips"))
