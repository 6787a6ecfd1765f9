"""One FFmpeg run: one output of one job, from the check of its inputs to the file under its real name."""

import errno
import os
import signal
import subprocess
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors.ffmpeg import banner, failure
from actors.ffmpeg.binary import FFmpeg
from actors.ffmpeg.child import Child, exit_status, kill, strays
from actors.ffmpeg.command import Length, accepts_damage, argv, expected_length, partial_path, probe_argv
from actors.ffmpeg.failure import error
from actors.ffmpeg.probe import Findings, Unproved, examine
from actors.ffmpeg.progress import Block, Meter, ProgressFile
from actors.ffmpeg.workspace import Workspace
from actors.jobs.model import FileIdentity
from actors.mail import Facts
from bus import messages as m


class RunFailed(Exception):
    """The run cannot go on; `error` is what the job is to say."""

    def __init__(self, view: m.ErrorView) -> None:
        super().__init__(view.message)
        self.error = view


class Report(NamedTuple):
    """FFmpeg's newest report, how far that is (0 to 1), and the seconds that are left."""

    block: Block
    progress: float | None
    eta: float | None


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
    """The files and the child of one run. Used by one thread, the Render actor's."""

    def __init__(self, ffmpeg: FFmpeg, work: Path, job_id: str, run: int, spec: m.JobSpec, index: int) -> None:
        self.index = index
        self.workspace = Workspace.of(work, job_id, run, index)
        self.target = Path(spec.outputs[index].path)
        self.partial = Path(partial_path(str(self.target), job_id, index))
        self.child: Child | None = None
        self.probe: subprocess.Popen[bytes] | None = None
        self._ffmpeg = ffmpeg
        self._spec = spec
        self._progress = ProgressFile(self.workspace.progress)
        self._meter = Meter()
        self._expected: Length | None = None
        self._banner_read = False

    # ------------------------------------------------------------ beginning

    def start(self) -> Child:
        """Check what may have changed since the submit, and start FFmpeg. Raises `RunFailed`."""
        for source in self._spec.inputs_of(self.index):
            file = file_of(source)
            if file is not None and not file.exists():
                raise RunFailed(error("input_missing", f"{file} is gone since the job was submitted"))
        if not self.target.parent.is_dir():
            raise RunFailed(error("output_folder_missing", f"{self.target.parent} is gone since the job was submitted"))
        if not self._spec.overwrite and self.target.exists():
            raise RunFailed(error("output_exists", f"{self.target} has appeared since the job was submitted"))
        try:
            self.workspace.prepare()
            self.discard_partial()
            command = argv(self._ffmpeg, self._spec, self.index, str(self.partial), str(self.workspace.progress))
            self.child = Child.spawn(command, self.workspace)
        except OSError as failed:
            code = {errno.ENOSPC: "disk_full", errno.EDQUOT: "disk_full", errno.ENOMEM: "no_memory"}
            at = f"{failed.filename}: " if failed.filename else ""
            known = code.get(failed.errno or 0, "unknown")
            raise RunFailed(error(known, f"FFmpeg could not be started: {at}{failed.strerror}")) from failed
        return self.child

    @property
    def was_started(self) -> bool:
        """True where an earlier Render began this run: its number is new at every start of the job."""
        return self.workspace.folder.exists()

    def adopt(self) -> Child | None:
        """Take over the child of an earlier Render, where it still runs."""
        self.child = Child.adopt(self.workspace)
        return self.child

    def kill_strays(self) -> bool:
        """SIGKILL what a dead shim has left of its group; True where there was any."""
        found = strays(self.workspace)
        kill(found)
        return bool(found)

    # ------------------------------------------------------------ while it runs

    def read_progress(self) -> Report:
        """FFmpeg's newest report, and what it means."""
        self.workspace.bound()
        if not self._banner_read:
            self._read_banner()
        block = self._progress.read()
        return Report(block, self._meter.progress(block.out_time), self._meter.eta(block.out_time, block.speed))

    def _read_banner(self) -> None:
        durations = banner.input_durations(self.workspace.stderr_text())
        if durations is not None:
            self._banner_read = True
            self._expected = expected_length(self._spec, self.index, durations)
            self._meter.total = self._expected.seconds if self._expected else None

    def written(self) -> int:
        """Bytes of the output so far."""
        try:
            return self.partial.stat().st_size
        except OSError:
            return 0

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
        if self.written() == 0:
            raise RunFailed(error("verify_failed", "FFmpeg left 0 but the output is empty or missing"))
        with self.workspace.probe.open("wb") as said:
            self.probe = subprocess.Popen(  # noqa: S603 # our own argv, without a shell
                probe_argv(self._ffmpeg.path, str(self.partial)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        return self.probe

    def prove(self) -> Facts:
        """Hold the finished file against what it should be, and put it and the proof on disk.

        Blocks for the fsync of the output: this thread has nothing else to do, and a cancel comes too late now.

        Raises:
            RunFailed: it is not whole.

        """
        last = self._progress.read()
        try:
            findings = examine(
                str(self.target),
                self.partial.stat().st_size,
                self.workspace.probe.read_text(errors="replace"),
                self.workspace.stderr_text(),
                last,
                self._expected,
                damage_is_accepted=accepts_damage(self._spec, self.index),
            )
            self._sync(self.partial)
        except Unproved as unproved:
            raise RunFailed(unproved.error) from None
        except OSError as failed:
            raise self._io_failed(failed) from failed
        facts = self._facts(findings, last)
        self.workspace.save_proof(Proof(facts))
        return facts

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
            self._sync(self.target.parent)
        except FileExistsError:
            raise RunFailed(error("output_exists", f"{self.target} has appeared while the job ran")) from None
        except OSError as failed:
            raise self._io_failed(failed) from failed

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
            stat = self.target.stat()
        except FileNotFoundError:
            return False
        return (stat.st_dev, stat.st_ino) == (facts.file.device, facts.file.inode)

    def proof(self) -> Facts | None:
        """The proof that an earlier daemon noted, where the file it speaks of is there under either name."""
        try:
            facts = msgspec.json.decode(self.workspace.proof.read_bytes(), type=Proof).facts
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        if self._is_published(facts):
            return facts
        try:
            return facts if file_identity(self.partial.stat()) == facts.file else None
        except OSError:
            return None

    def end_probe(self) -> None:
        """End a probe that hangs, and take it off the process table."""
        if self.probe is not None:
            if self.probe.poll() is None:
                os.killpg(self.probe.pid, signal.SIGKILL)
            self.probe.wait()

    def clean_up(self) -> None:
        """Leave nothing of a run that came to no output: no FIFO, no partial file."""
        self.workspace.remove_fifo()
        self.discard_partial()

    def discard_partial(self) -> None:
        """Remove the partial file, if there is one."""
        self.partial.unlink(missing_ok=True)

    @staticmethod
    def _sync(path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @staticmethod
    def _io_failed(failed: OSError) -> RunFailed:
        code = "disk_full" if failed.errno in (errno.ENOSPC, errno.EDQUOT) else "unknown"
        return RunFailed(error(code, f"the output could not be put in place: {failed.filename}: {failed.strerror}"))
