"""What is read off clocks and /proc, and the machine that it was read on. Times are seconds of the monotonic clock."""

import contextlib
import os
import platform
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests.support.wire import Map

TICKS = os.sysconf("SC_CLK_TCK")

IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})
"""File systems on which an fsync costs nothing."""

REPOSITORY = Path(__file__).parents[2]

FSYNCS = 300
"""Enough for a p50; 0.3 s on a disk that takes a millisecond."""

NEW_FILES = 100

FSYNC_BYTES = 4096
"""A page, which is what a small commit adds to SQLite's log."""


class Spread(NamedTuple):
    """What many measurements of one thing came to. Seconds."""

    p50: float
    p99: float
    times: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Spread":
        """Median and 99th percentile (nearest rank); of fewer than 100 samples that is the slowest."""
        ordered = sorted(samples)
        return cls(statistics.median(ordered), ordered[-(-len(ordered) * 99 // 100) - 1], len(ordered))


class Clock:
    """Notes how long each of many things takes."""

    def __init__(self) -> None:
        self.took: list[float] = []

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """One more; nothing is noted of one that raises."""
        began = time.perf_counter()
        yield
        self.took.append(time.perf_counter() - began)

    @property
    def total(self) -> float:
        """Seconds of all of them."""
        return sum(self.took)

    def spread(self) -> Spread:
        """What they came to."""
        return Spread.of(self.took)


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used, in user and kernel: fields 14 and 15 of /proc/<pid>/stat (proc(5)), in ticks."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS


def file_system(folder: Path) -> str:
    """The type of the file system that a folder is on, such as `ext4`: the longest mount point above it."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        point = before.split()[4]
        if folder.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind


def real_disk() -> Path:
    """Where the data folders are made: the usual temporary folder, or the repository where that is in memory."""
    usual = Path(tempfile.gettempdir())
    return REPOSITORY if file_system(usual) in IN_MEMORY else usual


def fdatasync_p50(folder: Path) -> float:
    """What it takes to put another page of a file on this disk."""
    clock = Clock()
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            file.write(bytes(FSYNC_BYTES))
            file.flush()
            with clock.one():
                os.fdatasync(file.fileno())
    return clock.spread().p50


def new_file_p50(folder: Path) -> float:
    """What it takes to make a file in a new folder: 20 us, or 500 on an ext4 that has just removed many."""
    clock = Clock()
    fresh = Path(tempfile.mkdtemp(dir=folder))
    for number in range(NEW_FILES):
        with clock.one():
            (fresh / str(number)).touch()
    return clock.spread().p50


def machine(folder: Path, ffmpeg: Path) -> Map:
    """What the numbers belong to; `folder` is where the data folders are."""
    cpu = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    said = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=True).stdout
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": cpu[0] if cpu else platform.machine(),
        "kernel": platform.release(),
        "file_system": file_system(folder),
        "fdatasync_p50_ms": round(fdatasync_p50(folder) * 1000, 3),
        "new_file_p50_ms": round(new_file_p50(folder) * 1000, 3),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "ffmpeg": said.split()[2],
    }
