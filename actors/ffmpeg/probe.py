"""Was the output good? What its header says, held against what was asked for. Pure."""

from typing import NamedTuple

from actors.ffmpeg import banner, failure
from actors.ffmpeg.command import Length
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


def examine(path: str, probe_text: str, run_text: str, out_time: float | None, expected: Length | None) -> Findings:
    """The proof that an output is whole.

    Args:
        path: the output's real name; its suffix tells pictures from films.
        probe_text: what FFmpeg said when it opened the finished file.
        run_text: what FFmpeg said while it made it.
        out_time: how many seconds FFmpeg reported to have written.
        expected: how long it should be, where that is known.

    Raises:
        Unproved: it does not open, lacks a stream, or is too short.

    """
    found = next((section for section in banner.sections(probe_text) if not section.is_output), None)
    if found is None or not found.streams:
        raise _unproved("verify_failed", f"the finished file does not open as media: {_last_line(probe_text)}")
    planned = banner.output_section(run_text)
    if planned is not None and planned.kinds() - found.kinds():
        lacking = ", ".join(f"{count} {kind}" for kind, count in (planned.kinds() - found.kinds()).items())
        raise _unproved("verify_failed", f"the finished file lacks streams that FFmpeg was to write: {lacking}")
    if not path.lower().endswith(NO_DURATION):
        _check_length(found.duration, run_text, out_time, expected)
    video = found.video
    if video is None:
        return Findings(found.duration, None, None, None)
    return Findings(found.duration, video.width, video.height, video.fps)


def _check_length(duration: float | None, run_text: str, out_time: float | None, expected: Length | None) -> None:
    written = duration if duration is not None else out_time
    if out_time is not None and duration is not None and duration < out_time - tolerance(out_time):
        raise _unproved(
            "verify_failed", f"the finished file is {duration:.2f} s long, but FFmpeg wrote {out_time:.2f} s"
        )
    if expected is None or written is None or written >= expected.seconds - tolerance(expected.seconds):
        return
    damage = failure.INPUT_DAMAGE.search(run_text)
    short = f"the output is {written:.2f} s long where {expected.seconds:.2f} s were expected"
    if damage is not None:
        raise _unproved("truncated", f"{short}, and FFmpeg said: {damage[0]}")
    if expected.proof:
        raise _unproved("truncated", f"{short}; the input ends before its header says")


def tolerance(seconds: float) -> float:
    """How much shorter an output of so many seconds may be."""
    return max(TOLERANCE_SECONDS, TOLERANCE * seconds)


def _unproved(code: str, message: str) -> Unproved:
    return Unproved(failure.error(code, message))


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[: failure.SHOWN_CHARS] if lines else "it says nothing"
