"""The Janitor actor: removes files, because that may take long, and sees to it that history ends in time.

It decides nothing. The Queue tells it what to remove, after the wish is on disk, and hears what became of it; a
daemon that ends in between asks again. A file that is not the one a job made is left alone.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from actors.base import JANITOR, QUEUE, BusActor
from actors.ffmpeg.run import file_identity
from actors.jobs.model import FileIdentity
from actors.mail import FilesRemoved, OrphanedFolders, RemoveFiles, SweepDue, Tick, WorkFolders
from actors.watcher import Watcher
from bus.hub import Hub
from bus.messages import FailedRemoval

SWEEP_SECONDS = 1.0
"""Between two looks for jobs whose time is over: an index look-up each."""


class Janitor(BusActor):
    """See the module. Runs in a thread of its own, which may block on a slow disk without harm to others."""

    reads = RemoveFiles | OrphanedFolders | Tick

    def __init__(self, hub: Hub, watcher: Watcher, work: Path) -> None:
        super().__init__(hub, JANITOR)
        self._watcher = watcher
        self._work = work

    def begin(self) -> None:
        """Ask which of the work folders are nobody's, and begin to sweep."""
        folders = [entry.name for entry in self._work.iterdir() if entry.is_dir()]
        self.outbox.mail(QUEUE, WorkFolders(job_ids=folders))
        self._watcher.after(SWEEP_SECONDS, JANITOR, "sweep")

    def receive(self, messages: Sequence[RemoveFiles | OrphanedFolders | Tick]) -> None:
        """Do what each says."""
        for message in messages:
            if isinstance(message, RemoveFiles):
                self._remove(message)
            elif isinstance(message, OrphanedFolders):
                for job_id in message.job_ids:
                    if self._remove_folder(job_id):
                        self.log.info("leftover_removed", path=str(self._work / job_id))
            else:
                self.outbox.mail(QUEUE, SweepDue())
                self._watcher.after(SWEEP_SECONDS, JANITOR, "sweep")

    def _remove(self, order: RemoveFiles) -> None:
        removed: list[str] = []
        missing: list[str] = []
        failed: list[FailedRemoval] = []
        for path, identity in order.files:
            try:
                if remove_if_same(Path(path), identity):
                    removed.append(path)
                else:
                    failed.append(FailedRemoval(path, "it is no longer the file that this job made; left alone"))
            except FileNotFoundError:
                missing.append(path)
            except OSError as error:
                failed.append(FailedRemoval(path, error.strerror or str(error)))
        self._remove_folder(order.job_id)
        self.outbox.mail(QUEUE, FilesRemoved(job_id=order.job_id, removed=removed, missing=missing, failed=failed))

    def _remove_folder(self, job_id: str) -> bool:
        folder = self._work / job_id
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return False
        except OSError as error:
            self.log.warning("leftover_kept", path=str(folder), error=error.strerror)
            return False
        return True


def remove_if_same(path: Path, identity: FileIdentity) -> bool:
    """Remove a file if it is still the one that was made; False where it is another.

    Raises:
        FileNotFoundError: nothing is there.
        OSError: the system does not let it.

    """
    if file_identity(path.lstat()) != identity:
        return False
    path.unlink()
    return True
