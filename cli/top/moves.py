"""What the bus can do to move a queued job by one place. Pure.

`boost` knows priorities and the front, no places: jobs of one priority run in the order of their submission. So a job
gets before another by that one's priority, or by one more where it was submitted later: then it passes all jobs of
that priority. Only the first place can be taken exactly (`front`).
"""

from typing import NamedTuple

from bus.messages import JobView


class Move(NamedTuple):
    """One `boost`: to the front, or to a priority."""

    front: bool = False
    priority: int | None = None


def up(job: JobView, above: JobView) -> list[Move]:
    """What to try in turn, until `job` stands before the one that is above it."""
    if above.position == 1:
        return [Move(front=True)]
    tries = [above.priority + 1]
    if job.priority < above.priority and job.created_at < above.created_at:
        tries.insert(0, above.priority)
    return [Move(priority=priority) for priority in tries]


def down(job: JobView, below: JobView) -> list[Move]:
    """What to try in turn, until `job` stands behind the one that is below it.

    A job that was put to the front, or that was submitted later, needs no lower priority than the other has: setting
    it puts the job where its submission belongs.
    """
    tries = [below.priority - 1]
    if job.created_at > below.created_at:
        tries.insert(0, below.priority)
    return [Move(priority=priority) for priority in tries]
