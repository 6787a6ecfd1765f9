"""Places in the queue: added up of blocks of ranks, so that no place costs a count of all that are before it."""

from collections import Counter
from typing import Literal

from actors.jobs.model import Job
from actors.jobs.sql import Statements

BLOCK_BITS = 10
"""Of a rank, that do not count for its block: see the migration that made the blocks."""


def block_of(rank: int) -> int:
    """The block that a rank is in."""
    return rank >> BLOCK_BITS


def position(statements: Statements, job: Job) -> int | None:
    """The 1-based place of a job among the queued, None where it is not queued.

    Adds up blocks, and counts within one: some 0.2 ms with a million jobs.
    """
    if job.status != "queued":
        return None
    block = block_of(job.rank)
    before = statements.one("count_blocks_before", job.priority, block)
    within = statements.one("count_within_block", job.priority, block << BLOCK_BITS, job.rank)
    return int(before) + int(within) + 1


class Places:
    """Of a store's queue. What comes and goes in a transaction is written when a place is asked for, and at its end."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._moved: Counter[tuple[int, int]] = Counter()  # jobs by priority and block

    def count(self, job: Job, change: Literal[1, -1]) -> None:
        """A job has come to its place in the queue, or is about to leave it."""
        self._moved[job.priority, block_of(job.rank)] += change

    def write(self) -> None:
        """Write what came and went; the jobs themselves must have been written before."""
        moved, self._moved = self._moved, Counter()
        for (priority, block), change in moved.items():
            if change:
                self._statements.run("block_change", priority, block, change)

    def forget(self) -> None:
        """A transaction is over."""
        self._moved.clear()

    def of(self, job: Job) -> int | None:
        """See `position`."""
        self.write()
        return position(self._statements, job)

    def by_priority(self) -> dict[int, int]:
        """How many jobs are queued at each priority that occurs."""
        return dict(self._statements.run("queued_by_priority").fetchall())

    def prune(self) -> None:
        """Forget the blocks that nobody is in any more."""
        self._statements.run("blocks_prune")
