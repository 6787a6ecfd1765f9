"""The one file that a run makes: under a name of our own while it is made, under its real name once it is proved."""

import contextlib
import errno
import os
from pathlib import Path

from actors.ffmpeg.patience import Partial
from actors.jobs.model import FileIdentity

NO_SYNC = (errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENOSYS)
"""How a file system, or a folder that may not be read, says that a folder cannot be synced."""

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)
"""How a file system says that it has no hard links."""


def file_identity(stat: os.stat_result) -> FileIdentity:
    """What tells this file from another of the same name."""
    return FileIdentity(device=stat.st_dev, inode=stat.st_ino, size=stat.st_size, mtime_ns=stat.st_mtime_ns)


class OutputFile:
    """A partial file and the target that it is to become. Every method may raise OSError."""

    def __init__(self, target: Path, partial: Path, *, overwrite: bool) -> None:
        self.target = target
        self.partial = partial
        self._overwrite = overwrite

    def written(self) -> Partial:
        """What there is of it so far; nothing where that cannot be seen."""
        try:
            stat = self.partial.stat()
        except OSError:
            return Partial()
        return Partial(stat.st_size, stat.st_mtime_ns)

    def sync(self) -> FileIdentity:
        """Put what was made on disk; which file it is."""
        _sync(self.partial)
        return file_identity(self.partial.stat())

    def is_there(self, made: FileIdentity) -> bool:
        """True where the file that was made stands under either name."""
        if self.is_published(made):
            return True
        try:
            return file_identity(self.partial.stat()) == made
        except FileNotFoundError:
            return False

    def is_published(self, made: FileIdentity) -> bool:
        """True where it stands under its real name."""
        try:
            found = file_identity(self.target.stat())
        except FileNotFoundError:
            return False
        # Some network file systems give a file another number when it is renamed.
        return (found.device, found.inode) == (made.device, made.inode) or (
            (found.size, found.mtime_ns) == (made.size, made.mtime_ns)
        )

    def publish(self, made: FileIdentity) -> None:
        """Give it its real name, at once and whole, and never over a file that is not to be lost.

        May be repeated after a crash. Where it fails, it does not stand under its real name.

        Raises:
            FileExistsError: the name is taken.

        """
        if not self.is_published(made):
            if self._overwrite:
                self.partial.replace(self.target)
            else:
                self._link()
        try:
            self.discard()
            self._sync_folder()
        except OSError:
            if not self._overwrite:  # what was written over is gone in any case: then a whole file is better than none
                with contextlib.suppress(OSError):
                    self.target.unlink()
            raise

    def discard(self) -> bool:
        """Remove the partial file; True where there was one."""
        try:
            self.partial.unlink()
        except FileNotFoundError:
            return False
        return True

    def _link(self) -> None:
        """A rename that fails where the name is taken. A file system without links gets a check and a rename."""
        try:
            self.target.hardlink_to(self.partial)
        except OSError as failed:
            if failed.errno not in NO_LINKS:
                raise
            if self.target.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.target)) from None
            self.partial.rename(self.target)

    def _sync_folder(self) -> None:
        """Put the new name on disk. Where a folder cannot be synced at all, the file system does it in its own time."""
        try:
            _sync(self.target.parent)
        except OSError as failed:
            if failed.errno not in NO_SYNC:
                raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
