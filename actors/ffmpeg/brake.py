"""A child that is held where it is: stopped by a signal, for as long as its job is paused.

That it is, and for how long it was, stands in the run's record: so no timeout counts it, in a later daemon either.
"""

import contextlib
import signal
import time

import msgspec

from actors.ffmpeg.child import Child
from actors.ffmpeg.workspace import Workspace

NOTE = "held"


class Held(msgspec.Struct, frozen=True):
    """The note. Seconds of the holds that are over, and since when there is another, in seconds of this boot."""

    seconds: float = 0.0
    since: float | None = None


class Brake:
    """For the child of one run. Used by one thread, the Render actor's."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._stopped_at: float | None = None
        self._stood = 0.0

    def apply(self, child: Child) -> None:
        """Stop the child where it is. The shim goes on: it must see FFmpeg's end, whoever brings that about."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
        held = self._noted()
        if held.since is None:
            self._note(Held(held.seconds, _now()))
        child.signal(signal.SIGSTOP)
        with contextlib.suppress(ProcessLookupError):  # it has ended, and another has reaped it
            signal.pidfd_send_signal(child.pidfd, signal.SIGCONT)

    def release(self, child: Child) -> None:
        """Let the child go on. It is noted last: as long as the note says that it is held, this is done again."""
        if self._stopped_at is not None:
            self._stood += time.monotonic() - self._stopped_at
            self._stopped_at = None
        seconds = self.seconds
        child.signal(signal.SIGCONT)
        self._note(Held(seconds))

    def now(self) -> float:
        """Monotonic seconds that stand still while the child is held: what the run's timeouts go by."""
        return (time.monotonic() if self._stopped_at is None else self._stopped_at) - self._stood

    @property
    def is_on(self) -> bool:
        """True where the child was last told to stop, perhaps by an earlier Render."""
        return self._noted().since is not None

    @property
    def seconds(self) -> float:
        """For how long it was held in all, by earlier Renders too."""
        held = self._noted()
        return held.seconds + (0.0 if held.since is None else _now() - held.since)

    def _noted(self) -> Held:
        return self._workspace.noted(NOTE, Held) or Held()

    def _note(self, held: Held) -> None:
        with contextlib.suppress(OSError):  # on a full disk: then a timeout may count this pause, after a crash
            self._workspace.note(NOTE, held)


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
