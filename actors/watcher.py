"""One thread that waits for all: for processes to end and for moments to come. It only tells; actors decide."""

import heapq
import itertools
import os
import select
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from actors.mail import ChildExited, Tick
from bus.hub import Hub

FORGOTTEN = 64
"""Cancelled timers that may be kept at least, so that few of them cost nothing."""


class _Timer(NamedTuple):
    due: float
    number: int
    address: str
    what: str


class Watcher:
    """Watches pidfds and a heap of timers, and mails what happened. All times are monotonic seconds.

    `watch`, `after` and `cancel` may be called from any thread.

    Args:
        hub: by which the news goes out.
        failed: called from the watcher's thread when it dies of an error.

    """

    def __init__(self, hub: Hub, failed: Callable[[BaseException], None]) -> None:
        self._hub = hub
        self._failed = failed
        self._lock = threading.Lock()
        self._timers: list[_Timer] = []
        self._numbers = itertools.count()
        self._wanted: set[int] = set()
        self._watched: dict[int, tuple[str, int]] = {}
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; nothing more is told."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._epoll.close()
        for descriptor in (self._wake, *self._watched):
            os.close(descriptor)

    def watch(self, pid: int, address: str, pidfd: int | None = None) -> None:
        """Mail `ChildExited(pid)` to `address` once the process has ended.

        Args:
            pid: the process.
            address: who is told.
            pidfd: the process meant, where the caller has made sure of it; it stays the caller's.

        """
        own = os.pidfd_open(pid) if pidfd is None else os.dup(pidfd)
        with self._lock:
            self._watched[own] = (address, pid)
        self._epoll.register(own, select.EPOLLIN)

    def after(self, seconds: float, address: str, what: str) -> int:
        """Mail `Tick(what)` to `address` in so many seconds; the timer's number, for `cancel`."""
        timer = _Timer(time.monotonic() + seconds, next(self._numbers), address, what)
        with self._lock:
            self._wanted.add(timer.number)
            heapq.heappush(self._timers, timer)
            first = self._timers[0] is timer
        if first:
            os.eventfd_write(self._wake, 1)
        return timer.number

    def cancel(self, number: int) -> None:
        """Forget a timer; where its tick is on the way already, it comes. Any thread."""
        with self._lock:
            self._wanted.discard(number)
            # A heap gives up its first only: the others go once they are as many as what is still wanted.
            if len(self._timers) > 2 * len(self._wanted) + FORGOTTEN:
                self._timers = [timer for timer in self._timers if timer.number in self._wanted]
                heapq.heapify(self._timers)

    def _run(self) -> None:
        outbox = self._hub.outbox()
        try:
            while not self._stopping:
                for fd, _ in self._epoll.poll(self._until_next()):
                    if fd == self._wake:
                        os.eventfd_read(self._wake)
                        continue
                    self._epoll.unregister(fd)
                    with self._lock:
                        address, pid = self._watched.pop(fd)
                    os.close(fd)
                    outbox.mail(address, ChildExited(pid=pid))
                for timer in self._due():
                    outbox.mail(timer.address, Tick(what=timer.what))
                outbox.flush()
        except BaseException as error:  # noqa: BLE001 # the thread's last word; the daemon ends itself on it
            self._failed(error)
        finally:
            outbox.close()

    def _until_next(self) -> float | None:
        """Seconds to the first timer, None where there is none. epoll rounds up to whole milliseconds."""
        with self._lock:
            return max(0.0, self._timers[0].due - time.monotonic()) if self._timers else None

    def _due(self) -> list[_Timer]:
        now = time.monotonic()
        due = []
        with self._lock:
            while self._timers and self._timers[0].due <= now:
                timer = heapq.heappop(self._timers)
                if timer.number in self._wanted:
                    self._wanted.discard(timer.number)
                    due.append(timer)
        return due
