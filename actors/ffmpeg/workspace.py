"""The folder of one FFmpeg run: what the child and its shim leave there outlives the daemon."""

import ctypes
import os
import shutil
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from actors.ffmpeg.processes import ProcessStat, parse_stat
from bus.limits import MAX_LOG_BYTES

HEAD_BYTES = MAX_LOG_BYTES // 4
TAIL_BYTES = MAX_LOG_BYTES - HEAD_BYTES
"""What is kept of an endless stderr: how it began (the banner, the first error) and how it ended."""

SLACK_BYTES = 256 * 1024
"""How much more may lie between the two before a hole is punched: one call for every so many bytes."""

FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 0x01, 0x02
"""From linux/falloc.h."""

_libc = ctypes.CDLL(None, use_errno=True)


ROOM_BYTES = 1024
"""Room for a note of the shim's, held from the start; a line of /proc/<pid>/stat has up to some 400 bytes. It is filled
with NULs: only a note that has been written to its end has a newline."""


class Noted(NamedTuple):
    """Which process the shim is."""

    boot_id: str
    stat: ProcessStat


class LogText(NamedTuple):
    """A piece of a log. `truncated`: there was more. `next_offset`: the byte after it."""

    text: str
    truncated: bool
    next_offset: int


class Workspace:
    """Where one run's files are. Nothing here is held open; any thread may have its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stdin = folder / "stdin"
        self.stderr = folder / "stderr"
        self.progress = folder / "progress"
        self.exit = folder / "exit"
        self.pid = folder / "pid"
        self.lock = folder / "lock"
        self.partial = folder / "partial"
        self.proof = folder / "proof"
        self.fault = folder / "fault"
        self.probe = folder / "probe"

    @classmethod
    def of(cls, work: Path, job_id: str, run: int, index: int) -> Self:
        """The workspace of output `index` in a job's `run`th start."""
        return cls(work / job_id / f"{run}-{index}")

    def prepare(self, partial: Path) -> None:
        """Make the folder, the FIFO, and the files that the shim fills in; note where the output is made.

        Raises OSError.
        """
        self.folder.mkdir(parents=True, mode=0o700)
        self.partial.write_bytes(os.fsencode(partial))
        for file in (self.pid, self.exit):
            file.write_bytes(bytes(ROOM_BYTES))
        os.mkfifo(self.stdin, 0o600)

    def noted(self) -> "Noted | None":
        """What the shim noted of itself; None while it has not."""
        try:
            boot_id, _, line = self._line(self.pid).partition(" ")
            return Noted(boot_id, parse_stat(line))
        except (FileNotFoundError, ValueError):
            return None

    def exit_status(self) -> int | None:
        """What the shim noted of FFmpeg's end; None while it has not, or where a power cut took it."""
        try:
            return int(self._line(self.exit))
        except (FileNotFoundError, ValueError):
            return None

    def noted_partial(self) -> Path | None:
        """Where the run makes its output, as it was noted; None where it was not."""
        try:
            return Path(os.fsdecode(self.partial.read_bytes()))
        except FileNotFoundError:
            return None

    @staticmethod
    def _line(file: Path) -> str:
        """The shim's note in a file; ValueError where it is not whole: a reader may come in the middle of a write."""
        line, newline, _ = file.read_text(errors="replace").partition("\n")
        if not newline:
            raise ValueError(f"no whole line in {file}")
        return line

    def clear(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_fifo(self) -> None:
        """The child is gone: nobody reads it any more."""
        self.stdin.unlink(missing_ok=True)

    def save_proof(self, proof: msgspec.Struct) -> None:
        """Note, on disk, that the output is proved: from here a crash cannot make it unproved."""
        fresh = self.proof.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(proof))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self.proof)

    def stderr_tail(self, size: int = TAIL_BYTES) -> str:
        """The end of what FFmpeg said; empty where it said nothing."""
        return _read(self.stderr, -size, size)

    def stderr_text(self) -> str:
        """What is kept of what FFmpeg said, without a word about what is not."""
        text, truncated, _ = read_log(self.stderr)
        return text if truncated is False else _read(self.stderr, 0, HEAD_BYTES) + "\n" + self.stderr_tail()

    def bound(self) -> None:
        """Give back the disk that the middle of a long stderr takes, and all but the end of a long progress file."""
        for file, head in ((self.stderr, HEAD_BYTES), (self.progress, 0)):
            try:
                size = file.stat().st_size
            except FileNotFoundError:
                continue
            if size > MAX_LOG_BYTES + SLACK_BYTES:
                punch(file, head, size - TAIL_BYTES)


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
        return LogText(_read(path, 0, size), truncated=False, next_offset=size)
    left_out = size - HEAD_BYTES - TAIL_BYTES
    text = f"{_read(path, 0, HEAD_BYTES)}\n[... {left_out} bytes left out ...]\n{_read(path, -TAIL_BYTES, TAIL_BYTES)}"
    return LogText(text, truncated=True, next_offset=size)


def read_log_from(path: Path, offset: int) -> LogText:
    """What a log has from `offset` on; where that is more than is kept, its end. Raises FileNotFoundError."""
    size = path.stat().st_size
    start = max(min(offset, size), size - TAIL_BYTES)
    return LogText(_read(path, start, size - start), truncated=start > offset, next_offset=size)


def _read(path: Path, start: int, size: int) -> str:
    """`size` bytes from `start` (from the end where it is negative) as text."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end + start) if start < 0 else start)
            return file.read(size).decode(errors="replace")
    except FileNotFoundError:
        return ""
