"""What runs, read from /proc: the proof that a child is gone, and that nothing is left behind."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from tests.support.wire import PATIENCE

T = TypeVar("T")

SOON_SECONDS, LATE_SECONDS, SHARE = 0.01, 0.05, 0.05
"""One who waits looks again after this share of the time that he has waited, but within the first two. A look is often
a question to a daemon: four tests that ask a hundred times a second while they wait slow down what they wait for."""


def eventually(look: Callable[[], T], what: str, timeout: float = PATIENCE) -> T:
    """What `look` gives once it gives something true; for conditions that no event tells of."""
    begin = time.monotonic()
    while True:
        found = look()
        if found:
            return found
        waited = time.monotonic() - begin
        assert waited < timeout, f"not within {timeout} s: {what} (last seen: {found!r})"
        time.sleep(min(LATE_SECONDS, max(SOON_SECONDS, SHARE * waited)))


class Process(NamedTuple):
    """One line of /proc/<pid>/stat, as far as it is of use here."""

    pid: int
    name: str
    state: str
    parent: int
    group: int
    started: int


def parse_stat(line: str) -> Process:
    """A process from its stat line; the name stands in brackets and may hold anything."""
    name = line[line.index("(") + 1 : line.rindex(")")]
    rest = line[line.rindex(")") + 2 :].split()
    return Process(int(line[: line.index(" ")]), name, rest[0], int(rest[1]), int(rest[2]), int(rest[19]))


def process(pid: int) -> Process | None:
    """The living process with that pid; a zombie has ended."""
    try:
        found = parse_stat(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if found.state in "ZX" else found


def processes() -> list[Process]:
    """Everything that runs now."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [found for found in map(process, pids) if found is not None]


def group_members(group: int) -> list[Process]:
    """Who of a process group still runs."""
    return [found for found in processes() if found.group == group]


def mentions(pid: int, text: str) -> bool:
    """True where a process' environment, command line or working folder holds `text`."""
    needle = text.encode()
    folder = Path(f"/proc/{pid}")
    try:
        return (
            needle in (folder / "environ").read_bytes()
            or needle in (folder / "cmdline").read_bytes()
            or needle in os.fsencode((folder / "cwd").readlink())
        )
    except OSError:
        return False  # it has ended meanwhile, or is not ours


def descendants_of(base: Path) -> list[Process]:
    """Every process that came from a daemon in `base`, whatever session or parent it has now."""
    return [found for found in processes() if found.pid != os.getpid() and mentions(found.pid, str(base))]


def working_in(folder: Path) -> list[Process]:
    """Who has its working folder in `folder`: all of a child's group, its shim and its grandchildren too."""
    return [found for found in processes() if (cwd := _cwd(found.pid)) is not None and cwd.is_relative_to(folder)]


def _cwd(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None  # it has ended meanwhile, or is not ours


def kill_all(found: list[Process]) -> None:
    """End processes that a test of ours started and that should not be there."""
    for one in found:
        try:
            os.kill(one.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def own_children() -> list[Process]:
    """The living children of this process."""
    pids = [pid for task in Path("/proc/self/task").iterdir() for pid in _children_of(task)]
    return [found for found in map(process, pids) if found is not None]


def _children_of(task: Path) -> list[int]:
    """The pids that one thread has started; none where the thread has ended meanwhile."""
    try:
        return [int(pid) for pid in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
