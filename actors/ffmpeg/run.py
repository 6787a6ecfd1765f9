"""One FFmpeg run: one output of one job, from the check of its inputs to the file under its real name."""

import contextlib
import errno
import itertools
import os
import signal
import subprocess
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors.disk import free_bytes
from actors.ffmpeg import banner, failure
from actors.ffmpeg.binary import FFmpeg
from actors.ffmpeg.child import Child, exit_status, is_unlocked, kill_strays
from actors.ffmpeg.command import Length, accepts_damage, argv, expected_length, partial_path, probe_argv
from actors.ffmpeg.failure import error
from actors.ffmpeg.patience import Partial
from actors.ffmpeg.probe import Findings, Unproved, describe, examine
from actors.ffmpeg.progress import Block, Meter, ProgressFile
from actors.ffmpeg.workspace import Workspace
from actors.jobs.model import FileIdentity
from actors.mail import Facts
from bus import messages as m

NUMBERS = itertools.count()

FINISHING_BYTES = 4096
"""Of stderr, in which FFmpeg's last words before it finishes a file stand; it says little after them."""


CODES = {
    errno.ENOSPC: "disk_full", errno.EDQUOT: "disk_full", errno.EFBIG: "disk_full", errno.ENOMEM: "no_memory",
    errno.EACCES: "permission", errno.EPERM: "permission", errno.EROFS: "permission",
}  # fmt: skip
"""What a failed system call of ours is called in a job's error."""

NO_SYNC = (errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENOSYS)
"""How a file system, or a folder that may not be read, says that a folder cannot be synced."""


class RunFailed(Exception):
    """The run cannot go on; `error` is what the job is to say."""

    def __init__(self, view: m.ErrorView) -> None:
        super().__init__(view.message)
        self.error = view


class Report(NamedTuple):
    """FFmpeg's newest report, how far that is (0 to 1), the seconds that are left, and whether it only finishes up."""

    block: Block
    progress: float | None
    eta: float | None
    finishing: bool


class Verdict(Enum):
    """What an ended child came to, from its exit and its own words alone."""

    DONE = auto()
    OBEYED = auto()
    FAILED = auto()


class Proof(msgspec.Struct, frozen=True):
    """Noted on disk between the proof and the rename: which file is the output."""

    facts: Facts


def file_of(source: m.Input) -> Path | None:
    """The file of this machine that an input is; None for a URL, a filter graph or a pattern of FFmpeg's."""
    formats = {value for flag, value in zip(source.args, source.args[1:], strict=False) if flag == "-f"}
    return None if source.file is None or formats & {"lavfi", "image2"} else Path(source.file)


def file_identity(stat: os.stat_result) -> FileIdentity:
    """What tells this file from another of the same name."""
    return FileIdentity(device=stat.st_dev, inode=stat.st_ino, size=stat.st_size, mtime_ns=stat.st_mtime_ns)


class Run:
    """The files and the child of one run. Used by one thread, the Render actor's.

    Attributes:
        index: which of the job's outputs.
        number: what tells this object from every other of this process, for timers that outlive one.

    """

    def __init__(self, ffmpeg: FFmpeg, work: Path, job_id: str, run: int, spec: m.JobSpec, index: int) -> None:
        self.index = index
        self.number = next(NUMBERS)
        self.workspace = Workspace.of(work, job_id, run, index)
        self.target = Path(spec.outputs[index].path)
        self.partial = Path(partial_path(str(self.target), job_id, index, run))
        self.child: Child | None = None
        self.probe: subprocess.Popen[bytes] | None = None
        self._ffmpeg = ffmpeg
        self._spec = spec
        self._progress = ProgressFile(self.workspace.progress)
        self._meter = Meter()
        self._expected: Length | None = None
        self._banner_read = False

    # ------------------------------------------------------------ beginning

    def free_bytes(self) -> int:
        """What the output's disk has room for. Raises `RunFailed` where its folder is gone."""
        try:
            return free_bytes(self.target.parent)
        except OSError as failed:
            raise RunFailed(
                error("output_folder_missing", f"{self.target.parent} is gone since the job was submitted")
            ) from failed

    def start(self) -> Child:
        """Check what may have changed since the submit, and start FFmpeg. Raises `RunFailed`."""
        try:
            self._check()
            self.workspace.prepare(self.partial)
            self.discard_partial()
            command = argv(self._ffmpeg, self._spec, self.index, str(self.partial), str(self.workspace.progress))
            self.child = Child.spawn(command, self.workspace)
        except OSError as failed:
            raise _os_failed("FFmpeg could not be started", failed) from failed
        return self.child

    def _check(self) -> None:
        for source in self._spec.inputs_of(self.index):
            file = file_of(source)
            if file is not None and not file.exists():
                raise RunFailed(error("input_missing", f"{file} is gone since the job was submitted"))
        if not self.target.parent.is_dir():
            raise RunFailed(error("output_folder_missing", f"{self.target.parent} is gone since the job was submitted"))
        if not self._spec.overwrite and self.target.exists():
            raise RunFailed(error("output_exists", f"{self.target} has appeared since the job was submitted"))

    @property
    def was_started(self) -> bool:
        """True where an earlier Render began this run: its number is new at every start of the job."""
        return self.workspace.folder.exists()

    def adopt(self) -> Child | None:
        """Take over the child of an earlier Render, where it still runs."""
        self.child = Child.adopt(self.workspace)
        return self.child

    def note_stop(self, fault: m.ErrorView | None) -> None:
        """Before the first signal: that it is Rushes who stops this child, and for what fault if for one."""
        with suppress(OSError):
            self.workspace.stop.write_bytes(msgspec.json.encode(fault))

    def noted_stop(self) -> tuple[bool, m.ErrorView | None]:
        """Whether an earlier daemon was stopping this child, and for what fault."""
        try:
            return True, msgspec.json.decode(self.workspace.stop.read_bytes(), type=m.ErrorView | None)
        except (OSError, msgspec.DecodeError):
            return False, None

    def kill_strays(self) -> bool:
        """SIGKILL what a dead shim has left; True where there was any. Raises OSError where that cannot be seen."""
        return kill_strays(self.workspace)

    @property
    def is_deserted(self) -> bool:
        """True where nothing of the run is left. Raises OSError where that cannot be seen."""
        return is_unlocked(self.workspace)

    # ------------------------------------------------------------ while it runs

    def read_progress(self) -> Report:
        """FFmpeg's newest report, and what it means."""
        self.workspace.bound()
        if not self._banner_read:
            self._read_banner()
        block = self._progress.read()
        progress, eta = self._meter.progress(block.out_time), self._meter.eta(block.out_time, block.speed)
        finishing = self._meter.is_at_end or banner.FINISHING in self.workspace.stderr_tail(FINISHING_BYTES)
        return Report(block, progress, eta, finishing)

    def _read_banner(self) -> None:
        durations = banner.input_durations(self.workspace.stderr_text())
        if durations is not None:
            self._banner_read = True
            self._expected = expected_length(self._spec, self.index, durations)
            self._meter.total = self._expected.seconds if self._expected else None

    def written(self) -> Partial:
        """What there is of the output so far."""
        try:
            stat = self.partial.stat()
        except OSError:
            return Partial()
        return Partial(stat.st_size, stat.st_mtime_ns)

    # ------------------------------------------------------------ after FFmpeg's end

    def verdict(self) -> Verdict:
        """What came of it. Status 0 is no proof: FFmpeg leaves it when it is done and when it obeys `q`."""
        if self.exit_status() != 0:
            return Verdict.FAILED
        if failure.STOPPED_BY_Q.search(self.workspace.stderr_tail()):
            return Verdict.OBEYED
        return Verdict.DONE if self._progress.read().is_end else Verdict.FAILED

    def exit_status(self) -> int | None:
        """FFmpeg's status; negative for a signal; None where nobody wrote it down."""
        return self.child.exit_status() if self.child else exit_status(self.workspace)

    def explain(self, status: int | None) -> m.ErrorView:
        """Why it failed."""
        if status == 0:
            return error("verify_failed", "FFmpeg left 0 without a last word in its progress report")
        return failure.explain(status, self.workspace.stderr_tail())

    def start_probe(self) -> subprocess.Popen[bytes]:
        """Let FFmpeg open what it has made. Raises `RunFailed` where there is nothing to open."""
        self.read_progress()
        if self.written().size == 0:
            raise RunFailed(error("verify_failed", "FFmpeg left 0 but the output is empty or missing"))
        try:
            with self.workspace.probe.open("wb") as said:
                self.probe = subprocess.Popen(  # noqa: S603 # our own argv, without a shell
                    probe_argv(self._ffmpeg.path, str(self.partial)),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    cwd=self.workspace.folder,  # by which a later daemon finds one that hangs
                    start_new_session=True,
                )
        except OSError as failed:
            raise _os_failed("the output could not be opened for its proof", failed) from failed
        return self.probe

    def prove(self) -> Facts:
        """Hold the finished file against what it should be, and put it and the proof on disk.

        Blocks for the fsync of the output: this thread has nothing else to do, and a cancel comes too late now.

        Raises:
            RunFailed: it is not whole.

        """
        last = self._progress.read()
        try:
            findings = self._examine(last)
            self._sync(self.partial)
            facts = self._facts(findings, last)
            self.workspace.save_proof(Proof(facts))
        except Unproved as unproved:
            raise RunFailed(unproved.error) from None
        except OSError as failed:
            raise _os_failed("the output could not be proved", failed) from failed
        return facts

    def _examine(self, last: Block) -> Findings:
        said = self.workspace.probe.read_text(errors="replace")
        if self._spec.outputs[self.index].verify == "none":
            return describe(said)
        return examine(
            str(self.target),
            self.partial.stat().st_size,
            said,
            self.workspace.stderr_text(),
            last,
            self._expected,
            damage_is_accepted=accepts_damage(self._spec, self.index),
        )

    def _facts(self, findings: Findings, last: Block) -> Facts:
        stat = self.partial.stat()
        return Facts(
            size=stat.st_size,
            duration=findings.duration,
            width=findings.width,
            height=findings.height,
            fps=findings.fps,
            speed=last.speed,
            file=file_identity(stat),
        )

    def publish(self, facts: Facts) -> None:
        """Give the proved output its real name, at once and whole, and never over a file that is not to be lost.

        May be repeated after a crash. Raises `RunFailed`.
        """
        try:
            if not self._is_published(facts):
                if self._spec.overwrite:
                    self.partial.replace(self.target)
                else:
                    self._link()
            self.discard_partial()
            self._sync_folder()
        except FileExistsError:
            raise RunFailed(error("output_exists", f"{self.target} has appeared while the job ran")) from None
        except OSError as failed:
            self._take_back(facts)
            raise _os_failed("the output could not be put in place", failed) from failed

    def _take_back(self, facts: Facts) -> None:
        """The output is not to be trusted to be on disk: it does not stand under its name either."""
        with contextlib.suppress(OSError):
            if self._is_published(facts):
                self.target.unlink()

    def _link(self) -> None:
        """A rename that fails where the name is taken. A filesystem without links gets a check and a rename."""
        try:
            self.target.hardlink_to(self.partial)
        except OSError as failed:
            if failed.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS):
                raise
            if self.target.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.target)) from None
            self.partial.rename(self.target)

    def _is_published(self, facts: Facts) -> bool:
        try:
            found = file_identity(self.target.stat())
        except FileNotFoundError:
            return False
        # Some network file systems give a file another number when it is renamed.
        return (found.device, found.inode) == (facts.file.device, facts.file.inode) or (
            (found.size, found.mtime_ns) == (facts.file.size, facts.file.mtime_ns)
        )

    def proof(self) -> Facts | None:
        """The proof that an earlier daemon noted, where the file it speaks of is there under either name."""
        try:
            facts = msgspec.json.decode(self.workspace.proof.read_bytes(), type=Proof).facts
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        try:
            if self._is_published(facts):
                return facts
            return facts if file_identity(self.partial.stat()) == facts.file else None
        except OSError:
            return None

    def end_probe(self) -> None:
        """End a probe that hangs, and take it off the process table."""
        if self.probe is not None:
            if self.probe.poll() is None:
                os.killpg(self.probe.pid, signal.SIGKILL)
            self.probe.wait()

    def clean_up(self) -> list[str]:
        """Leave nothing of a run that came to no output: no FIFO, no partial file; the paths that were removed.

        Raises:
            OSError: the partial file cannot be removed.

        """
        removed = [str(self.partial)] if self.discard_partial() else []
        self.workspace.remove_fifo()
        return removed

    def discard_partial(self) -> bool:
        """Remove the partial file; True where there was one."""
        try:
            self.partial.unlink()
        except FileNotFoundError:
            return False
        return True

    @staticmethod
    def _sync(path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _sync_folder(self) -> None:
        """Put the new name on disk. Where a folder cannot be synced at all, the file system does it in its own time."""
        try:
            self._sync(self.target.parent)
        except OSError as failed:
            if failed.errno not in NO_SYNC:
                raise


def _os_failed(what: str, failed: OSError) -> RunFailed:
    """What a job is to say of a system call that failed."""
    at = f"{failed.filename}: " if failed.filename else ""
    return RunFailed(error(CODES.get(failed.errno or 0, "unknown"), f"{what}: {at}{failed.strerror}"))
