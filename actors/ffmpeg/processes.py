"""Processes as /proc shows them: who is alive, and which of them belong to one run of FFmpeg."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LOCK_FD = 3
"""The descriptor under which everybody in a run holds its record, which is locked: the first that is free."""


class ProcessStat(NamedTuple):
    """What /proc/<pid>/stat says of a process (proc(5)). `start` is clock ticks after boot."""

    pid: int
    state: str
    group: int
    session: int
    start: int

    @property
    def is_dead(self) -> bool:
        """A zombie: it runs no more, and its parent has not looked."""
        return self.state in "ZX"


def parse_stat(line: str) -> ProcessStat:
    """A line of /proc/<pid>/stat. The name in brackets may hold anything; what follows the last bracket does not.

    Raises:
        ValueError: it is no such line.

    """
    head, _, tail = line.rpartition(")")
    fields = tail.split()
    if len(fields) < 20:
        raise ValueError(f"no line of /proc/<pid>/stat: {line!r:.100}")
    return ProcessStat(int(head.partition(" ")[0]), fields[0], int(fields[2]), int(fields[3]), int(fields[19]))


def process(pid: int) -> ProcessStat | None:
    """The process of that pid, None where there is none that we may see."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError, PermissionError, ValueError):
        return None


def command_of(pid: int) -> list[str]:
    """The words that a process was started with; none where it is gone or not ours to see."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="surrogateescape").split("\0")
    except OSError:
        return []


def living() -> Iterator[ProcessStat]:
    """Every process that runs. Reads all of /proc: some milliseconds. Raises OSError where that cannot be done."""
    with os.scandir("/proc") as entries:
        for entry in entries:
            stat = process(int(entry.name)) if entry.name.isdigit() else None
            if stat is not None and not stat.is_dead:
                yield stat


def is_of_run(pid: int, folder: Path, record: Path) -> bool:
    """True where a process was started by the run that works in `folder`, whatever group and session it has now.

    Whoever descends from the run's shim has its record open, and whoever did not move works in its folder.
    """
    return _link(f"/proc/{pid}/fd/{LOCK_FD}") == str(record) or _link(f"/proc/{pid}/cwd") == str(folder)


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115 # a pathlib object for each would double the time of a scan
    except OSError:
        return None
