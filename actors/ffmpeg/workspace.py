"""The folder of one FFmpeg run: what the child and its shim leave there outlives the daemon."""

import codecs
import ctypes
import os
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import msgspec

from bus.limits import MAX_LOG_BYTES

T = TypeVar("T")

HEAD_BYTES = MAX_LOG_BYTES // 4
TAIL_BYTES = MAX_LOG_BYTES - HEAD_BYTES
"""What is kept of an endless stderr: how it began (the banner, the first error) and how it ended."""

SLACK_BYTES = 256 * 1024
"""How much more may lie between the two before a hole is punched: one call for every so many bytes."""

FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 0x01, 0x02
"""From linux/falloc.h."""

_libc = ctypes.CDLL(None, use_errno=True)


RECORD_BYTES = 4096
"""Room for the notes of a run, held from the start: a full disk must not hide who runs, nor how it ended. It is filled
with NULs; only a note that has been written to its end has a newline. Longer paths and words make the file grow."""

SHIM_BYTES = 64
"""Of these the first are the shim's, for the line that says how FFmpeg ended; the daemon's notes follow."""


class Noted(msgspec.Struct, frozen=True):
    """Which process the shim is: of which boot, and when it started, in clock ticks after that."""

    boot_id: str
    pid: int
    start: int


class LogText(NamedTuple):
    """A piece of a log. `truncated`: there was more. `next_offset`: the byte after it.

    A character of which only the first bytes are there yet is left to whoever reads on.
    """

    text: str
    truncated: bool
    next_offset: int


class Workspace:
    """Where one run's files are. Nothing here is held open; any thread may have its own.

    They are few, for each costs a start of FFmpeg 20 us, and on an ext4 that has just removed many some 500. `record`
    holds the notes of a run, a line each (`exit 0`, `child {…}`), and its lock.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stdin = folder / "stdin"
        self.stderr = folder / "stderr"
        self.progress = folder / "progress"
        self.record = folder / "record"

    @classmethod
    def of(cls, work: Path, job_id: str, run: int, index: int) -> Self:
        """The workspace of output `index` in a job's `run`th start."""
        return cls(work / job_id / f"{run}-{index}")

    def prepare(self, partial: Path) -> None:
        """Make the folder, the FIFO and the record; note where the output is made.

        Raises OSError.
        """
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700)
        first = bytes(SHIM_BYTES) + _note("partial", str(partial))
        self.record.write_bytes(first.ljust(RECORD_BYTES, b"\0"))
        os.mkfifo(self.stdin, 0o600)

    # ------------------------------------------------------------ notes

    def note(self, name: str, value: Any, *, sync: bool = False) -> None:
        """Add a note of the daemon's, and put it on disk where that matters. Raises OSError."""
        descriptor = os.open(self.record, os.O_RDWR | os.O_CLOEXEC)
        try:
            written = os.pread(descriptor, os.fstat(descriptor).st_size, 0).rstrip(b"\0")
            os.pwrite(descriptor, b"\n" + _note(name, value), max(len(written), SHIM_BYTES))
            if sync:
                os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def noted(self, name: str, kind: type[T]) -> T | None:
        """The last note of that name; None where there is none, or none that is whole."""
        try:
            return msgspec.json.decode(self._notes()[name], type=kind)
        except (KeyError, msgspec.DecodeError):
            return None

    def exit_status(self) -> int | None:
        """What the shim noted of FFmpeg's end; None while it has not, or where a power cut took it."""
        return self.noted("exit", int)

    def noted_partial(self) -> Path | None:
        """Where the run makes its output, as it was noted; None where it was not."""
        partial = self.noted("partial", str)
        return None if partial is None else Path(partial)

    def _notes(self) -> dict[str, bytes]:
        """Each whole line by its first word. A reader may come in the middle of a write."""
        try:
            *whole, _ = self.record.read_bytes().split(b"\n")
        except FileNotFoundError:
            return {}
        lines = (line.rpartition(b"\0")[2].partition(b" ") for line in whole)
        return {name.decode(errors="replace"): value for name, _, value in lines}

    def remove_fifo(self) -> None:
        """The child is gone: nobody reads it any more."""
        self.stdin.unlink(missing_ok=True)

    def stderr_tail(self, size: int = TAIL_BYTES) -> str:
        """The end of what FFmpeg said; empty where it said nothing."""
        return _read(self.stderr, -size, size).decode(errors="replace")

    def stderr_text(self) -> str:
        """What is kept of what FFmpeg said, without a word about what is not."""
        text, truncated, _ = read_log(self.stderr)
        return (
            f"{_read(self.stderr, 0, HEAD_BYTES).decode(errors='replace')}\n{self.stderr_tail()}" if truncated else text
        )

    def bound(self) -> None:
        """Give back the disk that the middle of a long stderr takes, and all but the end of a long progress file."""
        for file, head in ((self.stderr, HEAD_BYTES), (self.progress, 0)):
            try:
                size = file.stat().st_size
            except FileNotFoundError:
                continue
            if size > MAX_LOG_BYTES + SLACK_BYTES:
                punch(file, head, size - TAIL_BYTES)


def _note(name: str, value: Any) -> bytes:
    return f"{name} ".encode() + msgspec.json.encode(value) + b"\n"


def punch(path: Path, start: int, end: int) -> None:
    """Make a hole of the bytes from `start` to `end`: they read as zeros and take no room; what follows stays put.

    A filesystem that cannot leaves the file as it is.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
        _libc.fallocate(descriptor, mode, ctypes.c_int64(start), ctypes.c_int64(end - start))
    finally:
        os.close(descriptor)


def read_log(path: Path) -> LogText:
    """What is kept of a log, with a line in place of what is not. Raises FileNotFoundError."""
    size = path.stat().st_size
    if size <= MAX_LOG_BYTES:
        return _piece(path, 0, size, truncated=False)
    end = _piece(path, size - TAIL_BYTES, TAIL_BYTES, truncated=True)
    left_out = f"\n[... {size - HEAD_BYTES - TAIL_BYTES} bytes left out ...]\n"
    return end._replace(text=_read(path, 0, HEAD_BYTES).decode(errors="replace") + left_out + end.text)


def read_log_from(path: Path, offset: int) -> LogText:
    """What a log has from `offset` on; where that is more than is kept, its end. Raises FileNotFoundError."""
    size = path.stat().st_size
    start = max(min(offset, size), size - TAIL_BYTES)
    return _piece(path, start, size - start, truncated=start > offset)


def _piece(path: Path, start: int, size: int, *, truncated: bool) -> LogText:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    read = _read(path, start, size)
    text = decoder.decode(read)
    begun, _ = decoder.getstate()
    return LogText(text, truncated, start + len(read) - len(begun))


def _read(path: Path, start: int, size: int) -> bytes:
    """`size` bytes from `start` (from the end where it is negative); none where there is no such file."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end + start) if start < 0 else start)
            return file.read(size)
    except FileNotFoundError:
        return b""
