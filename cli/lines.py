"""A running job's progress as occasional lines, for a log; `display` has bars for a person instead."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from bus.messages import JobView
from cli import text
from cli.output import is_terminal, note
from cli.table import state

LINE_SECONDS = 10.0
"""Between two lines about one job's progress."""

Show = Callable[[JobView], None]
"""What is called with a job's view each time there is something new to see."""


class Lines:
    """Each change of state, and now and then how far a job is, on stderr."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, int]] = {}
        self._said_at: dict[str, float] = {}

    def show(self, job: JobView) -> None:
        """Print a line where it is worth one."""
        news = (text.standing(job), job.completed_outputs)
        now = time.monotonic()
        if self._said.get(job.id) == news and now - self._said_at[job.id] < LINE_SECONDS:
            return
        self._said[job.id], self._said_at[job.id] = news, now
        note(line(job))

    def __enter__(self) -> Show:
        return self.show

    def __exit__(self, *_: object) -> None:
        pass


def display() -> AbstractContextManager[Show]:
    """What shows jobs while they are waited for: bars on a terminal, else lines."""
    if is_terminal(err=True):
        from cli.bars import Bars

        return Bars()
    return Lines()


def line(job: JobView) -> str:
    """A job's state and progress in one line."""
    parts = [job.id, state(text.standing(job))]
    if job.status == "queued" and job.position is not None:
        parts.append(f"place {job.position}")
    if job.status == "processing":
        parts += [text.percent(job.progress), pace(job)]
    if job.total_outputs > 1:
        parts.append(f"{job.completed_outputs} of {job.total_outputs} outputs")
    parts.append(text.title(job))
    return "  ".join(part for part in parts if part)


def pace(job: JobView) -> str:
    """`3.2x, 0:12 left`, of the output that is being rendered."""
    current = next((output for output in job.outputs if output.status == "rendering"), None)
    if current is None or current.speed is None:
        return ""
    left = "" if current.eta is None else f", {text.clock(current.eta)} left"
    return f"{current.speed:.3g}x{left}"
