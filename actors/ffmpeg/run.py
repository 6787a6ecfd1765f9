"""One FFmpeg run: one output of one job, from the check of its inputs to the file under its real name."""

import contextlib
import errno
import itertools
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from actors.disk import free_bytes
from actors.ffmpeg import banner, failure
from actors.ffmpeg.binary import FFmpeg
from actors.ffmpeg.brake import Brake
from actors.ffmpeg.child import Child, exit_status, kill_strays
from actors.ffmpeg.command import Length, accepts_damage, argv, expected_length, partial_path, probe_argv
from actors.ffmpeg.failure import error
from actors.ffmpeg.output_file import OutputFile
from actors.ffmpeg.patience import Partial
from actors.ffmpeg.probe import Findings, Probe, Unproved, describe_unopened, examine
from actors.ffmpeg.progress import Block, Meter, ProgressFile
from actors.ffmpeg.workspace import Workspace
from actors.jobs.model import FileIdentity
from actors.mail import Facts, Room
from bus import messages as m

NUMBERS = itertools.count()

NOTES_BYTES = 4 * 1024 * 1024
"""Room that a run needs in the daemon's own folder: its log and its progress, which are bounded."""

FINISHING_BYTES = 4096
"""Of stderr, in which FFmpeg's last words before it finishes a file stand; it says little after them."""


CODES = {
    errno.ENOSPC: "disk_full", errno.EDQUOT: "disk_full", errno.EFBIG: "disk_full", errno.ENOMEM: "no_memory",
    errno.EACCES: "permission", errno.EPERM: "permission", errno.EROFS: "permission",
}  # fmt: skip
"""What a failed system call of ours is called in a job's error."""


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


def file_of(source: m.Input) -> Path | None:
    """The file of this machine that an input is; None for a URL, a filter graph or a pattern of FFmpeg's."""
    formats = {value for flag, value in zip(source.args, source.args[1:], strict=False) if flag == "-f"}
    return None if source.file is None or formats & {"lavfi", "image2"} else Path(source.file)


def floor_of(folder: str, work: Path, min_free: int) -> int:
    """The bytes of room that a folder's disk must have before an output starts."""
    return min(min_free, NOTES_BYTES) if folder == str(work) else min_free


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
        self._file = OutputFile(self.target, self.partial, overwrite=spec.overwrite)
        self.child: Child | None = None
        self.probe: Probe | None = None
        self.brake = Brake(self.workspace)
        self._work = work
        self._ffmpeg = ffmpeg
        self._spec = spec
        self._progress = ProgressFile(self.workspace.progress)
        self._meter = Meter()
        self._expected: Length | None = None
        self._speed_at_work: float | None = None
        self._banner_read = False

    # ------------------------------------------------------------ beginning

    def rooms(self, min_free: int) -> list[Room]:
        """What the disks have that the run needs, for its notes and for its output. Raises `RunFailed`."""
        found = []
        for folder in (self._work, self.target.parent):
            try:
                found.append(Room(str(folder), free_bytes(folder), floor_of(str(folder), self._work, min_free)))
            except OSError as failed:
                gone = f"{folder} is gone since the job was submitted"
                raise RunFailed(error("output_folder_missing", gone)) from failed
        return found

    def start(self) -> Child:
        """Check what may have changed since the submit, and start FFmpeg. Raises `RunFailed`."""
        try:
            self._check()
            self.workspace.prepare(self.partial)
            self._file.discard()
            command = argv(self._ffmpeg, self._spec, self.index, str(self.partial), str(self.workspace.progress))
            self.child = Child.spawn(command, self.workspace)
        except OSError as failed:
            raise _os_failed("FFmpeg could not be started", failed) from failed
        except ValueError as failed:  # words that are none to the system: a NUL, or none in its encoding
            raise RunFailed(error("bad_args", f"FFmpeg could not be started: {failed}")) from failed
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

    def let_go(self) -> None:
        """Have no child any more; one that runs, runs on."""
        if self.child is not None:
            self.child.close()
            self.child = None

    def kill_strays(self) -> bool:
        """SIGKILL what a dead shim has left; True where there was any. Raises OSError where that cannot be seen."""
        return kill_strays(self.workspace)

    # ------------------------------------------------------------ while it runs

    def read_progress(self) -> Report:
        """FFmpeg's newest report, and what it means."""
        self.workspace.bound()
        if not self._banner_read:
            self._read_banner()
        block = self._at_work(self._progress.read())
        progress, eta = self._meter.progress(block.out_time), self._meter.eta(block.out_time, block.speed)
        finishing = self._meter.is_at_end or banner.FINISHING in self.workspace.stderr_tail(FINISHING_BYTES)
        return Report(block, progress, eta, finishing)

    def _at_work(self, block: Block) -> Block:
        """The block with the speed of the time in which it ran: FFmpeg counts the time in which it was held, too."""
        held = self.brake.seconds
        if not held or not block.out_time or not block.speed:
            return block
        worked = self.child.age - held if self.child else 0.0
        if worked > 0:  # else it has ended since
            self._speed_at_work = round(block.out_time / worked, 3)
        return block._replace(speed=self._speed_at_work or block.speed)

    def _read_banner(self) -> None:
        durations = banner.input_durations(self.workspace.stderr_text())
        if durations is not None:
            self._banner_read = True
            self._expected = expected_length(self._spec, self.index, durations)
            self._meter.total = self._expected.seconds if self._expected else None

    def written(self) -> Partial:
        """What there is of the output so far."""
        return self._file.written()

    # ------------------------------------------------------------ after FFmpeg's end

    def verdict(self, status: int | None, *, was_asked: bool = False) -> Verdict:
        """What came of it. Status 0 is no proof: FFmpeg leaves it when it is done and when it obeys `q`.

        Args:
            status: FFmpeg's, as `exit_status` gives it.
            was_asked: to stop. Where it was not, it need not have had the room to write its last report.

        """
        if status != 0:
            return Verdict.FAILED
        said = self.workspace.stderr_tail()
        if failure.STOPPED_BY_Q.search(said):
            return Verdict.OBEYED
        if self._progress.read().is_end:
            return Verdict.DONE
        return Verdict.DONE if not was_asked and failure.PROGRESS_LOST.search(said) else Verdict.FAILED

    def exit_status(self) -> int | None:
        """FFmpeg's status; negative for a signal; None where nobody wrote it down."""
        return self.child.exit_status() if self.child else exit_status(self.workspace)

    def explain(self, status: int | None) -> m.ErrorView:
        """Why it failed."""
        said = self.workspace.stderr_tail()
        if status != 0:
            return failure.explain(status, said)
        if failure.STOPPED_BY_Q.search(said):
            return error("killed", "somebody other than Rushes told FFmpeg to stop")
        return error("verify_failed", "FFmpeg left 0 without a last word in its progress report")

    def start_probe(self) -> Probe | None:
        """Let FFmpeg open what it has made; None where the job takes that as it is.

        Raises `RunFailed` where there is nothing to open.
        """
        self.read_progress()
        if self.written().size == 0:
            raise RunFailed(error("verify_failed", "FFmpeg left 0 but the output is empty or missing"))
        if not self._is_verified:
            return None
        try:
            self.probe = Probe(probe_argv(self._ffmpeg.path, str(self.partial)), self.workspace.folder)
        except OSError as failed:
            raise _os_failed("the output could not be opened for its proof", failed) from failed
        return self.probe

    @property
    def _is_verified(self) -> bool:
        return self._spec.outputs[self.index].verify == "full"

    def prove(self) -> Facts:
        """Hold the finished file against what it should be, and put it and the proof on disk.

        Blocks for the fsync of the output: this thread has nothing else to do, and a cancel comes too late now.

        Raises:
            RunFailed: it is not whole.

        """
        last = self._at_work(self._progress.read())
        if not last.is_end:
            last = Block(speed=last.speed)  # there was no room for the later ones: it says nothing of the whole
        try:
            findings = self._examine(last)
            facts = self._facts(findings, last, self._file.sync())
            self.workspace.note("proof", facts, sync=True)  # from here a crash cannot make it unproved
        except Unproved as unproved:
            raise RunFailed(unproved.error) from None
        except OSError as failed:
            raise _os_failed("the output could not be proved", failed) from failed
        return facts

    def _examine(self, last: Block) -> Findings:
        if not self._is_verified:
            return describe_unopened(self.workspace.stderr_text(), last)
        assert self.probe is not None, "it was opened before"
        return examine(
            str(self.target),
            self.partial.stat().st_size,
            self.probe.text,
            self.workspace.stderr_text(),
            last,
            self._expected,
            damage_is_accepted=accepts_damage(self._spec, self.index),
        )

    @staticmethod
    def _facts(findings: Findings, last: Block, made: FileIdentity) -> Facts:
        return Facts(
            size=made.size,
            duration=findings.duration,
            width=findings.width,
            height=findings.height,
            fps=findings.fps,
            speed=last.speed,
            file=made,
        )

    def publish(self, facts: Facts) -> None:
        """Give the proved output its real name, at once and whole, and never over a file that is not to be lost.

        May be repeated after a crash. Raises `RunFailed`.
        """
        try:
            self._file.publish(facts.file)
        except FileExistsError:
            raise RunFailed(error("output_exists", f"{self.target} has appeared while the job ran")) from None
        except OSError as failed:
            raise _os_failed("the output could not be put in place", failed) from failed

    def proof(self) -> Facts | None:
        """The proof that an earlier daemon noted, where the file it speaks of is there under either name."""
        facts = self.workspace.noted("proof", Facts)
        try:
            return facts if facts is not None and self._file.is_there(facts.file) else None
        except OSError:
            return None

    def note_fault(self, why: m.ErrorView) -> None:
        """Note why the run fails, before anything is done about it: a daemon that comes after would find other reasons.

        Where there is no room for it, that one says what it finds.
        """
        with contextlib.suppress(OSError):
            self.workspace.note("fault", why)

    def fault(self) -> m.ErrorView | None:
        """Why it failed, or was about to be stopped, where an earlier Render noted that."""
        return self.workspace.noted("fault", m.ErrorView)

    def end_probe(self) -> None:
        """End the probe, where there is one, and keep what it said."""
        if self.probe is not None:
            self.probe.end()

    def clean_up(self) -> list[str]:
        """Leave nothing of a run that came to no output: no FIFO, no partial file; the paths that were removed.

        Raises:
            OSError: the partial file cannot be removed.

        """
        removed = [str(self.partial)] if self._file.discard() else []
        self.workspace.remove_fifo()
        return removed


def _os_failed(what: str, failed: OSError) -> RunFailed:
    """What a job is to say of a system call that failed."""
    at = f"{failed.filename}: " if failed.filename else ""
    return RunFailed(error(CODES.get(failed.errno or 0, "unknown"), f"{what}: {at}{failed.strerror}"))
