"""Small disks, in memory, that a test can fill to the last byte, and dead ones. Without root, tests of them skip."""

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 1024 * 1024

MNT_DETACH = 2
"""From sys/mount.h: take a mount away, whoever still uses it."""

_libc = ctypes.CDLL(None, use_errno=True)


class SmallDisk:
    """A disk of a few megabytes, and the ballast that a test puts on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast: list[Path] = []

    def free(self) -> int:
        """The bytes that it can still take."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Take all room but so many bytes, against whoever writes meanwhile."""
        while (wanted := self.free() - leave) > 0:
            path = self.path / f"ballast-{len(self._ballast)}"
            self._ballast.append(path)
            with path.open("wb") as file:
                try:
                    os.posix_fallocate(file.fileno(), 0, wanted)
                except OSError:
                    continue  # somebody was faster: look again

    def make_room(self) -> None:
        """Throw the ballast overboard."""
        while self._ballast:
            self._ballast.pop().unlink(missing_ok=True)


@contextmanager
def small_disk(size: int) -> Iterator[SmallDisk]:
    """A disk of so many bytes; what is on it is gone afterwards, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="d", dir="/tmp"))
    try:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
        try:
            yield SmallDisk(folder)
        finally:
            # Lazily: a process that should be gone must not keep the disk in the way of other tests.
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


@contextmanager
def dead_disk() -> Iterator[Path]:
    """A folder on a server that does not answer: a FUSE mount of which nobody reads the questions."""
    folder = Path(tempfile.mkdtemp(prefix="d", dir="/tmp"))
    try:
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        folder.rmdir()
        pytest.skip(f"no dead disk can be made here: {error}")
    try:
        options = f"fd={server},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if _libc.mount(b"dead", os.fsencode(folder), b"fuse", 0, options) != 0:
            pytest.skip(f"no dead disk can be mounted here: {os.strerror(ctypes.get_errno())}")
        try:
            yield folder
        finally:
            _libc.umount2(os.fsencode(folder), MNT_DETACH)
    finally:
        os.close(server)  # whoever still asks is told that nobody is there
        folder.rmdir()
