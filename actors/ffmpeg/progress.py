"""FFmpeg's progress file: what it holds, and what a person makes of it."""

import os
from pathlib import Path
from typing import NamedTuple

READ_BYTES = 64 * 1024
"""Read at once. A block is some 250 bytes and comes ten times a second: this is half a minute's worth, and where a
file is longer than that when it is first read, its beginning is of no use."""


class Block(NamedTuple):
    """One report. `out_time` is seconds of output, `size` bytes, `speed` a multiple of real time."""

    out_time: float | None = None
    frame: int | None = None
    fps: float | None = None
    size: int | None = None
    speed: float | None = None
    is_end: bool = False


def parse(lines: list[str]) -> Block:
    """The block whose `key=value` lines these are; N/A becomes None. Source: `print_report` in fftools/ffmpeg.c."""
    values = dict(line.partition("=")[::2] for line in lines)
    micros = _number(values.get("out_time_us"))
    frame, size = _number(values.get("frame")), _number(values.get("total_size"))
    return Block(
        out_time=None if micros is None else max(0.0, micros / 1e6),
        frame=None if frame is None else int(frame),
        fps=_number(values.get("fps")),
        size=None if size is None else int(size),
        speed=_number(values.get("speed", "").strip().removesuffix("x")),
        is_end=values.get("progress") == "end",
    )


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


class ProgressFile:
    """Reads a progress file as it grows. It may not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset: int | None = None
        self._rest = ""
        self._lines: list[str] = []
        self._last = Block()

    def read(self) -> Block:
        """The newest whole block; the one before where no newer has come, and an empty one before the first."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return self._last
        try:
            if self._offset is None:
                self._offset = max(0, os.fstat(descriptor).st_size - READ_BYTES)
            while piece := os.pread(descriptor, READ_BYTES, self._offset):
                self._offset += len(piece)
                self._take(piece)
        finally:
            os.close(descriptor)
        return self._last

    def _take(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece.decode(errors="replace")).split("\n")
        for line in lines:
            self._lines.append(line)
            if line.startswith("progress="):
                self._last = parse(self._lines)
                self._lines = []


class Meter:
    """Progress, 0 to 1, that never goes back and reaches 1 only when all is done; and the seconds that are left."""

    ALMOST = 0.999

    def __init__(self) -> None:
        self.total: float | None = None
        self._highest = 0.0

    def progress(self, out_time: float | None) -> float | None:
        """How far `out_time` seconds of output are; None where the whole is not known."""
        if not self.total:
            return None
        if out_time is not None:
            self._highest = max(self._highest, min(out_time / self.total, self.ALMOST))
        return round(self._highest, 4)

    @property
    def is_at_end(self) -> bool:
        """True where all of the output's time is done, and only the file is to be finished."""
        return self._highest >= self.ALMOST

    def eta(self, out_time: float | None, speed: float | None) -> float | None:
        """Seconds to the end at this speed; None where that cannot be said."""
        if not self.total or out_time is None or not speed:
            return None
        return round(max(0.0, self.total - out_time) / speed, 1)
