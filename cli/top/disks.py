"""How much room the disks of the outputs have, as far as this machine can see: the bus tells only of too little."""

import os
import threading
from collections.abc import Callable, Iterable

from bus.messages import JobView
from cli.top.banner import Disk

LOOK_SECONDS = 5.0
"""Between two looks. A disk that fills within that is told of by the daemon (`disk_low`)."""

FOLDERS = 8
"""Folders that are looked at: more have no room on the screen."""


def folders(jobs: Iterable[JobView]) -> list[str]:
    """The folders that jobs write to, in the order of the jobs."""
    found = dict.fromkeys(output.path.rpartition("/")[0] or "/" for job in jobs for output in job.outputs)
    return list(found)[:FOLDERS]


def measure(wanted: Iterable[str]) -> list[Disk]:
    """Each disk once, by the first of the folders on it, the fullest first. What is not on this machine is left out."""
    found: dict[int, Disk] = {}
    for folder in wanted:
        try:
            device, room = os.stat(folder).st_dev, os.statvfs(folder)  # noqa: PTH116 # a Path has no statvfs
        except OSError:
            continue
        found.setdefault(device, Disk(folder, room.f_bavail * room.f_frsize))
    return sorted(found.values(), key=lambda disk: disk.free)


class DiskWatch:
    """A thread that looks now and then. One of its own, since a network's disk may never answer.

    Args:
        found: takes the disks; called in the thread.

    """

    def __init__(self, found: Callable[[list[Disk]], None]) -> None:
        self._found = found
        self._folders: list[str] = []
        self._closed = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="rushes top disks", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def look_at(self, folders: list[str]) -> None:
        """From now on at these: at once, where they are others than before. From any thread."""
        if folders != self._folders:
            self._folders = folders
            self._wake.set()

    def close(self) -> None:
        """Look no more. Does not wait: the thread may hang in a disk."""
        self._closed = True
        self._wake.set()

    def _watch(self) -> None:
        while not self._closed:
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            disks = measure(self._folders)
            if not self._closed:
                self._found(disks)
