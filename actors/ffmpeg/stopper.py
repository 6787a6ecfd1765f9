"""How one child is ended: the ladder is climbed at its group, and after its end nobody of the group may be left."""

import errno
import signal
from typing import NamedTuple

from actors.ffmpeg.child import Child
from actors.ffmpeg.ladder import Ladder
from actors.mail import Stage

SETTLE_SECONDS = 0.01
"""Until the first look whether a killed group is empty; SIGKILL takes effect in well under a millisecond."""

SETTLE_SECONDS_MAX = 0.5
"""Between two looks at a process that hangs in the kernel (a dead NFS): each reads all of /proc."""


NOT_NOW = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Why it may not be seen at the moment who is left: then it is not decided, and looked at again."""


class Rung(NamedTuple):
    """A rung that was taken, and how many seconds on the ladder."""

    stage: Stage
    after: float


class Stopper:
    """For one child. Times are monotonic seconds. Used by one thread, the Render actor's."""

    def __init__(self, child: Child, grace: float) -> None:
        self._child = child
        self._grace = grace
        self._ladder: Ladder | None = None
        self._killed = False
        self._settle_after = SETTLE_SECONDS

    @property
    def is_climbing(self) -> bool:
        """True once a stop has begun."""
        return self._ladder is not None

    def hurry(self, now: float) -> None:
        """Go on to the last rung."""
        self._on_ladder(now).hurry(now)

    def climb(self, now: float) -> Rung | None:
        """Take the rung that is due, the first time the first, unless the child is gone: its end is on the way."""
        ladder = self._on_ladder(now)
        if self._child.has_ended():
            return None
        stage = ladder.take(now)
        if stage is None:
            return None
        # A stopped (SIGSTOP) process neither reads nor handles SIGTERM before it goes on.
        self._child.signal(signal.SIGCONT)
        if stage == "q":
            self._child.ask()
        else:
            self._child.signal(signal.Signals[stage])
        return self._rung(stage, now)

    def until_next(self, now: float) -> float | None:
        """Seconds until the next rung is due; None where none is."""
        if self._ladder is None or self._child.has_ended():
            return None
        return self._ladder.until_next(now)

    def sweep(self, now: float) -> tuple[Rung | None, float | None]:
        """FFmpeg has ended: end what is left of its group.

        Returns:
            The SIGKILL if it is the first that the group gets, and the seconds after which to look again; no seconds
            where nobody is left.

        """
        rung = None
        try:
            if self._child.is_empty():
                return None, None
            self._child.signal(signal.SIGKILL)
            rung = None if self._killed else self._rung("SIGKILL", now)
        except OSError as error:
            if error.errno not in NOT_NOW:
                raise
        wait, self._settle_after = self._settle_after, min(2 * self._settle_after, SETTLE_SECONDS_MAX)
        return rung, wait

    def _on_ladder(self, now: float) -> Ladder:
        self._ladder = self._ladder or Ladder(self._grace, now)
        return self._ladder

    def _rung(self, stage: Stage, now: float) -> Rung:
        self._killed = stage == "SIGKILL"
        return Rung(stage, round(now - self._ladder.began, 3) if self._ladder else 0.0)
