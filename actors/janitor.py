"""The Janitor actor: removes files, because that may take long, and sees to it that history ends in time.

It decides nothing. The Queue tells it what to remove, after the wish is on disk, and hears what became of it; a
daemon that ends in between asks again. A file that is not the one a job made is left alone.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from actors import backup
from actors.base import JANITOR, QUEUE, SUPERVISOR, BusActor
from actors.disk import free_bytes
from actors.ffmpeg.child import end_by_force
from actors.ffmpeg.command import PARTIAL_PREFIX
from actors.ffmpeg.output_file import file_identity
from actors.ffmpeg.run import floor_of
from actors.ffmpeg.workspace import Workspace
from actors.jobs.database import FILE_NAME, StoreUnavailable, StoreUnusable, check_file
from actors.jobs.model import JOB_ID, FileIdentity
from actors.mail import (
    FilesRemoved,
    LookAtFiles,
    OrphanedFolders,
    RemoveFiles,
    RoomFound,
    StoreDamaged,
    SweepDue,
    Tick,
    WatchRoom,
    WorkFolders,
)
from actors.watcher import Watcher
from bus import messages as m
from bus.errors import CommandRefused, Conflict, Internal, Invalid, Unavailable
from bus.hub import Hub
from bus.inbox import Request
from bus.messages import FailedRemoval
from bus.replies import refusal_body, result_body

SWEEP, CHECK, BACKUP = "sweep", "check", "backup"
"""The names of its timers."""

CHECK_AGAIN_SECONDS = 60.0
"""After the store could not be read, how soon it is looked at again: a look may read gigabytes."""

SWEEP_SECONDS = 1.0
"""Between two looks for jobs whose time is over: an index look-up each."""


class JanitorSettings(NamedTuple):
    """What the Janitor needs to know. `min_free` is bytes; `is_checked`: the store was looked through at the start."""

    data: Path
    work: Path
    min_free: int
    backup_hours: float
    backup_keep: int
    is_checked: bool


class Janitor(BusActor):
    """See the module. Runs in a thread of its own, which may block on a slow disk without harm to others."""

    reads = RemoveFiles | OrphanedFolders | WatchRoom | Tick

    def __init__(self, hub: Hub, watcher: Watcher, settings: JanitorSettings) -> None:
        super().__init__(hub, JANITOR)
        self._watcher = watcher
        self._settings = settings
        self._store = settings.data / FILE_NAME
        self._work = settings.work
        self._full_folders: set[str] = set()
        self._backups = backup.Schedule(self._store, settings.backup_hours, settings.backup_keep)

    def begin(self) -> None:
        """Ask which of the work folders are nobody's, and begin to sweep."""
        folders = [entry.name for entry in self._work.iterdir() if JOB_ID.fullmatch(entry.name) and entry.is_dir()]
        self.outbox.mail(QUEUE, WorkFolders(job_ids=folders))
        self._watcher.after(SWEEP_SECONDS, JANITOR, SWEEP)
        if not self._settings.is_checked:
            self._watcher.after(0.0, JANITOR, CHECK)
        due = self._backups.begin()
        if due is not None:
            self._watcher.after(due, JANITOR, BACKUP)

    def receive(self, messages: Sequence[RemoveFiles | OrphanedFolders | WatchRoom | Tick | Request]) -> None:
        """Do what each says."""
        for message in messages:
            match message:
                case RemoveFiles():
                    self._remove(message)
                case OrphanedFolders():
                    for job_id in message.job_ids:
                        self._remove_orphan(job_id)
                case WatchRoom():
                    self._full_folders.add(message.folder)
                case Request():
                    self.outbox.reply(message.envelope, self._answer(message))
                case Tick():
                    self._tick(message.what)

    def _tick(self, what: str) -> None:
        if what == SWEEP:
            self.outbox.mail(QUEUE, SweepDue())
            self._look_for_room()
            self._watcher.after(SWEEP_SECONDS, JANITOR, SWEEP)
        elif what == CHECK:
            self._check_store()
        elif what == BACKUP:
            self._back_up()

    # ------------------------------------------------------------ the store

    def _check_store(self) -> None:
        """Go on where the look at the start had to stop."""
        try:
            check_file(self._store)
        except StoreUnavailable as error:
            self.log.error("store_unavailable", error=str(error))
            self._watcher.after(CHECK_AGAIN_SECONDS, JANITOR, CHECK)
        except StoreUnusable as error:
            self.outbox.mail(SUPERVISOR, StoreDamaged(why=str(error)))

    def _back_up(self) -> None:
        try:
            path, size = self._backups.run()
            self.log.info("backup_made", path=str(path), size=size)
            for kept, why in self._backups.remove_oldest():
                self.log.warning("leftover_kept", path=str(kept), error=why)
        except backup.BackupFailed as error:
            self.log.error("backup_failed", error=str(error))
        self._watcher.after(self._backups.every, JANITOR, BACKUP)

    def _answer(self, request: Request) -> bytes:
        """The reply to a delete that is only tried, or to who asks for a copy."""
        command = request.command
        try:
            if isinstance(command, m.Delete):
                return result_body(command.id, _would_remove(command, request.prepared))
            assert isinstance(command, m.Backup), "no other command is routed here"
            return result_body(command.id, self._copy(command, request.by))
        except CommandRefused as refusal:
            return refusal_body(command.id, refusal)
        except Exception as error:  # one client's defect is no other client's trouble
            self.log.error("command_failed", command_id=command.id, by=request.by, exc_info=error)
            return refusal_body(command.id, Internal("a defect of the daemon; its log has the details"))

    def _copy(self, command: m.Backup, by: str) -> m.BackupResult:
        """Make the copy that a client asked for. Raises `CommandRefused`."""
        target = _backup_target(command.path)
        try:
            size = backup.make(self._store, target)
        except backup.BackupFailed as error:
            self.log.error("backup_failed", error=str(error), by=by, command_id=command.id)
            raise Unavailable(str(error)) from error
        self.log.info("backup_made", path=command.path, size=size, by=by, command_id=command.id)
        return m.BackupResult(command.path, size)

    # ------------------------------------------------------------ room on disks

    def _look_for_room(self) -> None:
        for folder in sorted(self._full_folders):
            floor = floor_of(folder, self._work, self._settings.min_free)
            try:
                free = free_bytes(Path(folder))
            except OSError:
                free = floor  # it is gone: let the next Render say so
            if free >= floor:
                self._full_folders.discard(folder)
                self.outbox.mail(QUEUE, RoomFound(folder=folder, free=free))

    # ------------------------------------------------------------ files

    def _remove(self, order: RemoveFiles) -> None:
        removed, missing, failed = remove_files(order.files)
        self._remove_folder(order.job_id)
        self.outbox.mail(QUEUE, FilesRemoved(job_id=order.job_id, removed=removed, missing=missing, failed=failed))

    def _remove_orphan(self, job_id: str) -> None:
        """Of a job that the store does not know (a backup was put in its place): end what runs, remove what is left."""
        folder = self._work / job_id
        try:
            for run in sorted(folder.iterdir()):
                workspace = Workspace(run)
                end_by_force(workspace)
                partial = workspace.noted_partial()
                if partial is not None and partial.name.startswith(f"{PARTIAL_PREFIX}{job_id}-"):
                    partial.unlink(missing_ok=True)
        except OSError as error:
            self.log.warning("leftover_kept", path=str(folder), error=error.strerror)
            return
        if self._remove_folder(job_id):
            self.log.info("leftover_removed", path=str(self._work / job_id))

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


def _backup_target(text: str) -> Path:
    """Where a backup may go. Raises `Invalid` or `Conflict`."""
    target = Path(text)
    if not target.is_absolute() or "\0" in text or text.endswith("/"):
        raise Invalid.at("path", f"{text!r} must be the absolute path of a file on the daemon's machine")
    try:
        is_there = target.parent.is_dir()
    except OSError as error:
        raise Invalid.at("path", f"folder {target.parent} cannot be looked at: {error.strerror}") from error
    if not is_there:
        raise Invalid.at("path", f"folder {target.parent} does not exist on the daemon's machine")
    if os.path.lexists(target):
        raise Conflict(f"{target} exists; a backup is not written over anything", {"path": "path", "job": None})
    return target


class Removal(NamedTuple):
    """What became of files."""

    removed: list[str]
    missing: list[str]
    failed: list[FailedRemoval]


def remove_files(files: Sequence[tuple[str, FileIdentity]], *, dry_run: bool = False) -> Removal:
    """Remove those that are still what was made; with `dry_run`, only say which they are."""
    removal = Removal([], [], [])
    for path, identity in files:
        try:
            if remove_if_same(Path(path), identity, dry_run=dry_run):
                removal.removed.append(path)
            else:
                why = "it is no longer the file that this job made; left alone"
                removal.failed.append(FailedRemoval(path, why))
        except FileNotFoundError:
            removal.missing.append(path)
        except OSError as error:
            removal.failed.append(FailedRemoval(path, error.strerror or str(error)))
    return removal


def remove_if_same(path: Path, identity: FileIdentity, *, dry_run: bool) -> bool:
    """Remove a file if it is still the one that was made; False where it is another.

    Raises:
        FileNotFoundError: nothing is there.
        OSError: the system does not let it.

    """
    if file_identity(path.lstat()) != identity:
        return False
    if not dry_run:
        path.unlink()
    return True


def _would_remove(command: m.Delete, look: LookAtFiles) -> m.DeleteResult:
    """What would become of the files of a job that is not to be deleted."""
    removed, missing, failed = remove_files(look.files, dry_run=True)
    for path in look.partials:
        try:
            Path(path).lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            failed.append(FailedRemoval(path, error.strerror or str(error)))
        else:
            removed.append(path)
    return m.DeleteResult(command.job_id, "deleted", None, removed, missing, failed, dry_run=True)
