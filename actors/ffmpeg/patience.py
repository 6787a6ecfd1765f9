"""How long a run may take, and how long it may stand still. Pure: the time is handed to it."""

from typing import NamedTuple

from actors.ffmpeg.failure import error
from bus.messages import ErrorView, JobSpec


class Partial(NamedTuple):
    """The file that is being made. Bytes; when it was last written to, in nanoseconds of the file system's clock."""

    size: int = 0
    written_at: int = 0


class Patience:
    """With one run of one output. Times are seconds of its brake: none pass while it is held.

    It stands still while neither FFmpeg's own clock (seconds of output) nor the size of the partial file grows. While
    FFmpeg finishes a file (it moves the index to the front, say) it may write for long without either; there it
    stands still while nothing is written at all.
    """

    def __init__(self, spec: JobSpec, index: int, now: float, age: float = 0.0) -> None:
        """`age`: how long it has lived `now`."""
        self._began = now - age
        self._timeout = spec.timeout
        self._stall_timeout = spec.stall_timeout
        self._index = index
        self._grown_at = now
        self._out_time = 0.0
        self._size = 0
        self._written_at = 0
        self._finishing = False

    def look(self, now: float, out_time: float | None, partial: Partial, *, finishing: bool = False) -> None:
        """Note how far the run is."""
        self._finishing = finishing
        grown = (out_time or 0.0) > self._out_time or partial.size > self._size
        if grown or (finishing and partial.written_at > self._written_at):
            self._grown_at = now
        self._out_time, self._size = max(self._out_time, out_time or 0.0), max(self._size, partial.size)
        self._written_at = partial.written_at

    def verdict(self, now: float) -> ErrorView | None:
        """Why the run is to be stopped, if it is."""
        if self._timeout is not None and now - self._began > self._timeout:
            return error("timeout", f"output {self._index} took longer than its timeout of {self._timeout:g} s")
        if self._stall_timeout is not None and now - self._grown_at > self._stall_timeout:
            return error(
                "stalled",
                f"output {self._index} stood at {self._out_time:.2f} s and {self._size} bytes for "
                f"{self._stall_timeout:g} s{' while FFmpeg finished it' if self._finishing else ''}",
            )
        return None
