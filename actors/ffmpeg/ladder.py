"""The stop ladder: which rung is due when. Pure: it neither signals nor waits, and the time is handed to it."""

from actors.mail import Stage

RUNGS: tuple[Stage, ...] = ("q", "SIGTERM", "SIGKILL")


class Ladder:
    """The way from asking to ending, one grace between rungs. Times are monotonic seconds.

    A stop that is asked for twice goes on where it is; it does not begin again.
    """

    def __init__(self, grace: float, now: float) -> None:
        self.began = now
        self._rungs = [(now + number * grace, stage) for number, stage in enumerate(RUNGS)]

    def take(self, now: float) -> Stage | None:
        """The rung that is due now, once; None while none is."""
        if self._rungs and self._rungs[0][0] <= now:
            return self._rungs.pop(0)[1]
        return None

    def until_next(self, now: float) -> float | None:
        """Seconds until the next rung is due; None after the last."""
        return max(0.0, self._rungs[0][0] - now) if self._rungs else None

    def hurry(self, now: float) -> None:
        """Leave out what is left but the last rung, which is due now."""
        self._rungs = [(now, stage) for _, stage in self._rungs[-1:]]
