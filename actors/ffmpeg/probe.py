"""Was the output good? FFmpeg opens it, and what its header says is held against what was asked for."""

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from actors.ffmpeg import banner, failure
from actors.ffmpeg.command import Length
from actors.ffmpeg.progress import Block
from bus.messages import ErrorView

TOLERANCE_SECONDS = 0.5
TOLERANCE = 0.02
"""An output may be shorter by the larger of the two: frames at the ends are rounded, and -t cuts at a packet."""

NO_DURATION = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
    ".gif",
    ".avif",
    ".srt",
    ".ass",
    ".vtt",
)
"""Outputs that are a picture or a text: their length proves nothing."""


EMPTY = "Output file is empty, nothing was encoded"
"""What FFmpeg says, and leaves 0, when no frame came through."""


IGNORED = re.compile(r"Video stream #\d+ is not an attached picture\. Ignoring")
"""What a muxer for sound says of a film that it was given, too, before it leaves that out."""

ACCEPT = "if that is to be, say -err_detect ignore_err in the input's args"


class Findings(NamedTuple):
    """What the header of an output says. Seconds, pixels, frames a second."""

    duration: float | None
    width: int | None
    height: int | None
    fps: float | None


class Unproved(Exception):
    """The output is not what it should be; `error` says why."""

    def __init__(self, error: ErrorView) -> None:
        super().__init__(error.message)
        self.error = error


class Probe:
    """An FFmpeg that opens a finished file. Used by one thread, the Render actor's.

    Args:
        argv: what it runs, see `probe_argv`.
        folder: the run's own, by which a later daemon finds a probe that hangs.

    Raises:
        OSError: it cannot be started.

    """

    def __init__(self, argv: Sequence[str], folder: Path) -> None:
        self._said = os.memfd_create("probe")
        try:
            self._process = subprocess.Popen(  # noqa: S603 # our own argv, without a shell
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                cwd=folder,
                start_new_session=True,
            )
        except OSError:
            os.close(self._said)
            raise
        self.pid = self._process.pid
        self.text = ""
        """What it said, after `end`."""

    def end(self) -> None:
        """End it where it hangs, take it off the process table, and keep what it said; a second time is none."""
        if self._process.returncode is not None:
            return
        if self._process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        with open(self._said, "rb") as said:  # noqa: PTH123 # a descriptor is no path
            said.seek(0)
            self.text = said.read().decode(errors="replace")


def examine(
    path: str,
    size: int,
    probe_text: str,
    run_text: str,
    last: Block,
    expected: Length | None,
    *,
    damage_is_accepted: bool = False,
) -> Findings:
    """The proof that an output is whole.

    Args:
        path: the output's real name; its suffix tells pictures from films.
        size: of the finished file, in bytes.
        probe_text: what FFmpeg said when it opened the finished file.
        run_text: what FFmpeg said while it made it.
        last: FFmpeg's last report.
        expected: how long it should be, where that is known.
        damage_is_accepted: the job's own arguments say that errors of its inputs are to be ignored.

    Raises:
        Unproved: it does not open, lacks a stream, has lost its end, or is too short.

    """
    if last.size is not None and size < last.size:
        raise _unproved("verify_failed", f"the finished file has {size} bytes, but FFmpeg wrote {last.size}")
    unwritten = failure.OUTPUT_DAMAGE.search(run_text)
    if unwritten is not None:
        full = failure.explain(None, unwritten[0])
        raise _unproved(full.code if full.code == "disk_full" else "verify_failed", f"FFmpeg said: {unwritten[0]}")
    found = next(iter(banner.inputs(probe_text)), None)
    if found is None or not found.streams:
        said = EMPTY if EMPTY in run_text else _last_line(probe_text)
        raise _unproved("verify_failed", f"the finished file does not open as media: {said}")
    planned = banner.output_section(run_text)
    if planned is not None:
        _check_streams(planned, found, len(IGNORED.findall(run_text)))
    damage = failure.INPUT_DAMAGE.search(run_text)
    if damage_is_accepted and not (expected and expected.stated):
        expected = None
    if expected is not None and (expected.stated or not path.lower().endswith(NO_DURATION)):
        duration = None if banner.GUESSED in probe_text else found.duration
        written = duration if duration is not None else last.out_time
        _check_length(written, found.video, run_text, expected, damage[1] if damage else None)
    if damage is not None and not damage_is_accepted:
        raise _unproved("input_corrupt", f"FFmpeg went on over a damaged input, and said: {damage[1]}; {ACCEPT}")
    return _findings(found, found.duration)


def describe_unopened(run_text: str, last: Block) -> Findings:
    """What FFmpeg said of an output while it made it, where nobody opens that."""
    return _findings(banner.output_section(run_text), last.out_time)


def _findings(section: banner.Section | None, duration: float | None) -> Findings:
    video = section.video if section else None
    return Findings(duration, video.width, video.height, video.fps) if video else Findings(duration, None, None, None)


def _check_streams(planned: banner.Section, found: banner.Section, ignored: int) -> None:
    """Pictures and sound that were to be written must be there; what else a container drops is its own affair."""
    lost = planned.kinds() - found.kinds() - Counter(Video=ignored)
    lacking = [f"{lost[kind]} {kind.lower()}" for kind in ("Video", "Audio") if lost[kind]]
    if lacking:
        streams = " and ".join(lacking)
        raise _unproved("verify_failed", f"the finished file lacks streams that FFmpeg was to write: {streams}")


def _check_length(
    written: float | None, video: banner.Stream | None, run_text: str, expected: Length, damage: str | None
) -> None:
    frame = 1 / video.fps if video is not None and video.fps else 0.0
    allowed = max(tolerance(expected.seconds), frame)
    if expected.stated:
        if written is None or abs(written - expected.seconds) > allowed:
            length = "of unknown length" if written is None else f"{written:.2f} s long"
            raise _unproved("verify_failed", f"the output is {length}; `expect_duration` is {expected.seconds:g} s")
        return
    if written is None or written >= expected.seconds - allowed:
        return
    short = f"the output is {written:.2f} s long where {expected.seconds:.2f} s were expected"
    if damage is not None:
        raise _unproved("truncated", f"{short}, and FFmpeg said: {damage}")
    if expected.proof and _takes_everything(run_text):
        raise _unproved("truncated", f"{short}; the input ends before its header says")


def _takes_everything(run_text: str) -> bool:
    """True where every stream of the inputs is written: a container is as long as its longest stream."""
    read: Counter[str] = sum((section.kinds() for section in banner.inputs(run_text)), Counter())
    planned = banner.output_section(run_text)
    return planned is not None and not read - planned.kinds()


def tolerance(seconds: float) -> float:
    """How much shorter an output of so many seconds may be."""
    return max(TOLERANCE_SECONDS, TOLERANCE * seconds)


def _unproved(code: str, message: str) -> Unproved:
    return Unproved(failure.error(code, message))


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[: failure.SHOWN_CHARS] if lines else "it says nothing"
