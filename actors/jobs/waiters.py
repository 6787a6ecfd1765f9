"""Replies that are held: until a job has ended, until it is deleted, or until the asker's patience is over."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from bus.hub import Request


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
        self._numbers = itertools.count(1)
        self._by_number: dict[int, Waiter] = {}
        self._by_job: dict[str, set[int]] = {}

    def add(self, request: Request, job_id: str, *, until_deleted: bool, changed: bool) -> Waiter:
        """Hold a reply. A command that is sent again while it is held gets a reply for each time it was sent."""
        waiter = Waiter(next(self._numbers), request, job_id, until_deleted, changed)
        self._by_number[waiter.number] = waiter
        self._by_job.setdefault(job_id, set()).add(waiter.number)
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

    def remove(self, waiter: Waiter) -> None:
        """It is being answered."""
        if self._by_number.pop(waiter.number, None) is not None:
            numbers = self._by_job[waiter.job_id]
            numbers.discard(waiter.number)
            if not numbers:
                del self._by_job[waiter.job_id]
