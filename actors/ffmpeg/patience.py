"""How long a run may take, and how long it may stand still. Pure: the time is handed to it."""

from actors.ffmpeg.failure import error
from bus.messages import ErrorView, JobSpec


class Patience:
    """With one run of one output. Times are monotonic seconds.

    It stands still while neither FFmpeg's own clock (seconds of output) nor the size of the partial file grows.
    """

    def __init__(self, spec: JobSpec, index: int, now: float) -> None:
        self._timeout = spec.timeout
        self._stall_timeout = spec.stall_timeout
        self._index = index
        self._grown_at = now
        self._out_time = 0.0
        self._size = 0

    def look(self, now: float, out_time: float | None, size: int) -> None:
        """Note how far the run is."""
        if (out_time or 0.0) > self._out_time or size > self._size:
            self._grown_at = now
        self._out_time, self._size = max(self._out_time, out_time or 0.0), max(self._size, size)

    def verdict(self, now: float, age: float) -> ErrorView | None:
        """Why the run is to be stopped, if it is; `age` is how many seconds it has lived."""
        if self._timeout is not None and age > self._timeout:
            return error("timeout", f"output {self._index} took longer than its timeout of {self._timeout:g} s")
        if self._stall_timeout is not None and now - self._grown_at > self._stall_timeout:
            return error(
                "stalled",
                f"output {self._index} stood at {self._out_time:.2f} s and {self._size} bytes for "
                f"{self._stall_timeout:g} s",
            )
        return None
