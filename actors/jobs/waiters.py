"""Replies that are held: until a job has ended, until it is deleted, or until the asker's patience is over."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from bus.inbox import Request

MAX_WAITERS = 5_000
"""Replies that are held at once, of clients that may have gone: when a job ends they are given in one turn, at some 60
µs each."""

NUMBERS = itertools.count(1)
"""No two Queues of a daemon give the same: what a timer says may be news of an earlier one."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """One held reply. `changed` is what the command itself did, for the reply to a `cancel`."""

    number: int
    request: Request
    job_id: str
    until_deleted: bool
    changed: bool


class Waiters:
    """Who waits for which job. In memory: a client whose daemon is gone asks again. The Queue's thread only."""

    def __init__(self) -> None:
        self._by_number: dict[int, Waiter] = {}
        self._by_job: dict[str, set[int]] = {}
        self._by_client: dict[bytes, dict[int, None]] = {}
        self._dismissed: set[int] = set()

    def add(self, request: Request, job_id: str, *, until_deleted: bool, changed: bool) -> Waiter:
        """Hold a reply. A command that is sent again while it is held gets a reply for each time it was sent."""
        waiter = Waiter(next(NUMBERS), request, job_id, until_deleted, changed)
        self._by_number[waiter.number] = waiter
        self._by_job.setdefault(job_id, set()).add(waiter.number)
        self._by_client.setdefault(request.envelope[0], {})[waiter.number] = None
        return waiter

    def of(self, job_id: str) -> Iterable[Waiter]:
        """All who wait for a job."""
        return [self._by_number[number] for number in sorted(self._by_job.get(job_id, ()))]

    def get(self, number: int) -> Waiter | None:
        """The one of that number, if it still waits."""
        return self._by_number.get(number)

    def all(self) -> list[Waiter]:
        """Everyone, in the order they came."""
        return list(self._by_number.values())

    def dismiss(self) -> Waiter | None:
        """Where more wait than may, the one that has waited longest of the client that has most: its reply is due."""
        if len(self._by_number) - len(self._dismissed) <= MAX_WAITERS:
            return None
        most = max(self._by_client.values(), key=len)
        waiter = self._by_number[next(iter(most))]
        self._forget_client(waiter)
        self._dismissed.add(waiter.number)
        return waiter

    def is_dismissed(self, waiter: Waiter) -> bool:
        """True for one that has waited too long for others, not for itself."""
        return waiter.number in self._dismissed

    def remove(self, waiter: Waiter) -> None:
        """It is being answered."""
        if self._by_number.pop(waiter.number, None) is not None:
            self._forget_client(waiter)
            self._dismissed.discard(waiter.number)
            numbers = self._by_job[waiter.job_id]
            numbers.discard(waiter.number)
            if not numbers:
                del self._by_job[waiter.job_id]

    def _forget_client(self, waiter: Waiter) -> None:
        client = waiter.request.envelope[0]
        own = self._by_client.get(client, {})
        own.pop(waiter.number, None)
        if not own:
            self._by_client.pop(client, None)
