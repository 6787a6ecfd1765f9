"""The watcher tells of the end of processes and of moments that have come, and of nothing else."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from actors.mail import ChildExited, Tick
from actors.watcher import Watcher
from tests.integration.parts import Letterbox, Switchboard

HERE = "queue"


@pytest.fixture
def watcher(switchboard: Switchboard) -> Iterator[Watcher]:
    found = Watcher(switchboard.hub, switchboard.failures.append)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def inbox(switchboard: Switchboard) -> Letterbox:
    return switchboard.letterbox(HERE)


@contextmanager
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lasts until it is told to end, at the end of the block at the latest."""
    with subprocess.Popen(["/bin/sleep", "1000"]) as process:
        try:
            yield process
        finally:
            process.kill()


# ---------------------------------------------------------------- moments


def test_a_moment_that_has_come_is_told(watcher: Watcher, inbox: Letterbox) -> None:
    watcher.after(0, HERE, "now")
    watcher.after(0.01, HERE, "soon")
    assert [inbox.mail(Tick).what for _ in range(2)] == ["now", "soon"]


def test_moments_come_in_their_order_however_they_were_asked_for(switchboard: Switchboard, inbox: Letterbox) -> None:
    watcher = Watcher(switchboard.hub, switchboard.failures.append)
    for seconds_ago in (10, 30, 20, 40):
        watcher.after(-seconds_ago, HERE, str(seconds_ago))
    watcher.start()
    assert [inbox.mail(Tick).what for _ in range(4)] == ["40", "30", "20", "10"]
    watcher.stop()


def test_moments_that_are_the_same_come_in_the_order_they_were_asked_for(watcher: Watcher, inbox: Letterbox) -> None:
    for number in range(200):
        watcher.after(0, HERE, str(number))
    assert [inbox.mail(Tick).what for _ in range(200)] == [str(number) for number in range(200)]


def test_a_moment_that_comes_before_the_one_waited_for_is_not_late(watcher: Watcher, inbox: Letterbox) -> None:
    watcher.after(3600, HERE, "in an hour")
    watcher.after(0.01, HERE, "first")
    assert inbox.mail(Tick).what == "first"
    assert inbox.is_empty()


def test_any_thread_may_ask(watcher: Watcher, inbox: Letterbox) -> None:
    def ask() -> None:
        for number in range(50):
            watcher.after(0.001 * number, HERE, "x")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [inbox.mail(Tick).what for _ in range(200)] == ["x"] * 200


# ---------------------------------------------------------------- processes


def test_the_end_of_a_process_is_told_once(watcher: Watcher, inbox: Letterbox) -> None:
    with sleeper() as process:
        watcher.watch(process.pid, HERE)
        watcher.after(0.01, HERE, "it still runs")
        assert inbox.mail(Tick).what == "it still runs"
        process.kill()
        assert inbox.mail(ChildExited) == ChildExited(pid=process.pid)
    watcher.after(0, HERE, "after it")
    message = inbox.next()
    assert isinstance(message, bytes)
    assert b"after it" in message


def test_a_process_that_has_ended_before_it_was_watched_is_told_too(watcher: Watcher, inbox: Letterbox) -> None:
    process = subprocess.Popen(["/bin/true"])
    pidfd = os.pidfd_open(process.pid)
    os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
    watcher.watch(process.pid, HERE, pidfd)
    assert inbox.mail(ChildExited) == ChildExited(pid=process.pid)
    process.wait()
    os.close(pidfd)


def test_a_pidfd_that_was_handed_over_stays_its_owners(watcher: Watcher, inbox: Letterbox) -> None:
    with sleeper() as process:
        pidfd = os.pidfd_open(process.pid)
        watcher.watch(process.pid, HERE, pidfd)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        inbox.mail(ChildExited)
        os.close(pidfd)  # it was not closed for us


def test_a_process_that_is_stopped_has_not_ended(watcher: Watcher, inbox: Letterbox) -> None:
    with sleeper() as process:
        watcher.watch(process.pid, HERE)
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        watcher.after(0.02, HERE, "still there")
        assert inbox.mail(Tick).what == "still there"
        process.kill()
        assert inbox.mail(ChildExited).pid == process.pid


def test_many_are_watched_at_once_and_each_one_is_told_where_it_was_asked(
    switchboard: Switchboard, watcher: Watcher
) -> None:
    boxes = {f"render/{number}": switchboard.letterbox(f"render/{number}") for number in range(20)}
    with ExitStack() as stack:
        processes = {address: stack.enter_context(sleeper()) for address in boxes}
        for address, process in processes.items():
            watcher.watch(process.pid, address)
        for process in processes.values():
            process.kill()
        for address, box in boxes.items():
            assert box.mail(ChildExited).pid == processes[address].pid
            assert box.is_empty()


def test_one_that_is_gone_cannot_be_watched(watcher: Watcher) -> None:
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    with pytest.raises(ProcessLookupError):
        watcher.watch(process.pid, HERE)


# ---------------------------------------------------------------- its end


def test_what_is_still_watched_when_it_ends_is_let_go_of(switchboard: Switchboard) -> None:
    """That no descriptor stays open is seen by the fixture that looks after each test."""
    inbox = switchboard.letterbox(HERE)
    watcher = Watcher(switchboard.hub, switchboard.failures.append)
    watcher.start()
    with sleeper() as process:
        watcher.watch(process.pid, HERE)
        watcher.after(3600, HERE, "never")
        watcher.stop()
    assert inbox.is_empty()


def test_a_watcher_that_dies_says_so(switchboard: Switchboard) -> None:
    failed: list[BaseException] = []
    told = threading.Event()

    def say(error: BaseException) -> None:
        failed.append(error)
        told.set()

    watcher = Watcher(switchboard.hub, say)
    watcher.start()
    watcher._epoll.close()
    os.eventfd_write(watcher._wake, 1)
    watcher.after(0, HERE, "x")
    assert told.wait(30)
    assert isinstance(failed[0], (ValueError, OSError))
    watcher._thread.join()
    os.close(watcher._wake)
