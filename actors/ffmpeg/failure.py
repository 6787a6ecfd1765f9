"""Why an FFmpeg run failed: one table, from exit status, signal and stderr to a code, a remedy, and a retry or none."""

import errno
import re
import signal
from typing import NamedTuple

from bus.messages import ErrorView


def _words(*pieces: str) -> re.Pattern[str]:
    return re.compile("|".join(pieces), re.IGNORECASE | re.MULTILINE)


def _status(number: int) -> int:
    """FFmpeg's exit status for a system error: the low byte of AVERROR(number) (libavutil/error.h)."""
    return -number & 0xFF


class Cause(NamedTuple):
    """One row of the table.

    Attributes:
        code: what the job's `error.code` says.
        retryable: another attempt of the same command may end otherwise: the cause lies outside of it.
        remedy: what a person can do, in one line.
        says: what in FFmpeg's stderr tells of it.
        hints: words that tell of it only where no row's `says` does.
        statuses: FFmpeg's exit statuses that tell of it where its words do not.
        signals: what ends FFmpeg for this cause.

    """

    code: str
    retryable: bool
    remedy: str
    says: re.Pattern[str] | None = None
    hints: re.Pattern[str] | None = None
    statuses: tuple[int, ...] = ()
    signals: tuple[signal.Signals, ...] = ()


CAUSES = (
    Cause(
        "disk_full",
        retryable=True,
        remedy="make room on the output's disk, then retry",
        says=_words(r"No space left on device", r"Disk quota exceeded", r"File too large"),
        statuses=(_status(errno.ENOSPC), _status(errno.EDQUOT), _status(errno.EFBIG)),
        signals=(signal.SIGXFSZ,),
    ),
    Cause(
        "no_memory",
        retryable=True,
        remedy="run fewer jobs at once, or give the machine memory",
        says=_words(r"Cannot allocate memory", r"Out of memory", r"malloc of size \d+ failed"),
        statuses=(_status(errno.ENOMEM),),
    ),
    Cause(
        "permission",
        retryable=False,
        remedy="give the daemon's user access to the file, then retry",
        says=_words(r"Permission denied", r"Operation not permitted", r"Read-only file system"),
        statuses=(_status(errno.EACCES), _status(errno.EROFS)),
    ),
    Cause(
        "unknown_encoder",
        retryable=False,
        remedy="see what this FFmpeg has: ffmpeg -encoders",
        says=_words(r"Unknown (?:en|de)coder", r"Encoder not found", r"Automatic encoder selection failed"),
    ),
    Cause(
        "input_missing",
        retryable=True,
        remedy="put the input back, then retry",
        says=_words(
            r"Error opening input.*: No such file or directory",
            r"^/.*: No such file or directory",
            r"Connection refused",
            r"No route to host",
            r"Connection timed out",
            r"Failed to resolve hostname",
            r"HTTP error 404",
        ),
        statuses=(_status(errno.ENOENT),),
    ),
    Cause(
        "input_corrupt",
        retryable=False,
        remedy="check the input: ffmpeg -v error -i FILE -f null -",
        says=_words(
            r"Error opening input.*: Invalid data found",
            r"moov atom not found",
            r"could not find codec parameters",
        ),
        hints=_words(
            r"Invalid data found when processing input",
            r"Error while decoding",
            r"Error submitting packet to decoder",
        ),
        statuses=(183,),  # AVERROR_INVALIDDATA
    ),
    Cause(
        "truncated",
        retryable=False,
        remedy="the input ends before its own header says; get a whole copy of it",
    ),
    Cause(
        "bad_args",
        retryable=False,
        remedy="correct the job's arguments and submit it again",
        says=_words(
            r"Unrecognized option",
            r"Option not found",
            r"Error splitting the argument list",
            r"Unable to parse option",
            r"Error parsing (?:option|a filter|filterchain|global)",
            r"No such filter",
            r"Unknown input format",
            r"Requested output format .* is not known",
            r"Unable to (?:find|choose) (?:a suitable )?(?:an )?output format",
            r"matches no streams",
            r"Undefined constant",
            r"Error applying option",
            r"Could not (?:find tag|write header)",
            r"Error (?:initializing|opening|while opening) (?:filters|encoder)",
            r"does not contain any stream",
            r"Protocol not found",
            r"Cannot write more than one file with the same name",
            r"Could not get frame filename number",
            r"Error opening output files: Invalid argument",
            r"is not a suitable output format",
        ),
        statuses=(_status(errno.EINVAL),),
    ),
    Cause(
        "killed",
        retryable=True,
        remedy="somebody else ended FFmpeg; `dmesg` tells whether the kernel did, for want of memory",
        says=_words(r"Exiting normally, received signal"),
        signals=(signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU),
    ),
    Cause(
        "crashed",
        retryable=True,
        remedy="a defect of FFmpeg; another version of it may do better",
        signals=(signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS),
    ),
    Cause("timeout", retryable=True, remedy="give the job a longer `timeout`, or see in its log what slows it"),
    Cause("stalled", retryable=True, remedy="see whether the input's disk or network answers, then retry"),
    Cause(
        "verify_failed",
        retryable=False,
        remedy="see its log; `verify`: `none` takes an output as FFmpeg leaves it",
    ),
    Cause("output_exists", retryable=False, remedy="move the file away, then retry; or submit with `overwrite`"),
    Cause("output_folder_missing", retryable=True, remedy="put the output's folder back, then retry"),
    Cause("internal", retryable=False, remedy="report it with the daemon's log"),
    Cause("unknown", retryable=True, remedy="see its log for what FFmpeg said"),
)
"""Read from the top: the first row that FFmpeg's words fit wins."""

BY_CODE = {cause.code: cause for cause in CAUSES}

BY_FORCE = frozenset({signal.SIGKILL, *BY_CODE["crashed"].signals})
"""Signals after which FFmpeg had no last word. For others what it said is asked first: its own statuses reach into
the shell's 128 + signal (143 is SIGTERM, and EHOSTUNREACH too)."""

INPUT_DAMAGE = re.compile(
    r"^\[[^\n]* @ 0x[0-9a-f]+\] [^\n]*(partial file|File ended prematurely|corrupt (?:input packet|decoded frame)|"
    r"Packet corrupt|Error (?:while decoding|during demuxing|submitting packet)|Decoding error|Invalid NAL unit size|"
    r"Invalid data found when processing input|stream ends prematurely)",
    re.IGNORECASE | re.MULTILINE,
)
"""What FFmpeg says when it goes on over a damaged input and still leaves 0."""

OUTPUT_DAMAGE = re.compile(
    r"Error (?:writing trailer|muxing a packet|closing file)[^\n]*|av_interleaved_write_frame\(\): [^\n]*"
)
"""What FFmpeg says when it could not write all of the output; before 6.0 it then still left 0 at times."""

STOPPED_BY_Q = re.compile(r"^\[q\] command received\. Exiting\.", re.MULTILINE)
"""What FFmpeg says when it obeys `q`: only this tells a stop from an end (fftools/ffmpeg.c; seen with 9.0)."""

PROGRESS_LOST = re.compile(r"^(?:\[[^\]\n]*\] )*Error closing progress log", re.MULTILINE)
"""What FFmpeg says at its end, and still leaves 0, when a report of its progress could not be written: from the first
that failed on, a full disk say, it writes no other, nor the last (avio_close keeps the error; seen with 9.0)."""

SHOWN_CHARS = 300
"""How much of FFmpeg's own line an error message repeats."""


def error(code: str, message: str) -> ErrorView:
    """An error of this table's codes. Raises KeyError for another."""
    cause = BY_CODE[code]
    return ErrorView(code=code, message=message, retryable=cause.retryable, remedy=cause.remedy)


def explain(exit_status: int | None, stderr_tail: str) -> ErrorView:
    """Why a run failed.

    Args:
        exit_status: as the shim wrote it; negative for the signal that ended FFmpeg; None where nobody could say.
        stderr_tail: the end of what FFmpeg said.

    """
    ended_by = -exit_status if exit_status is not None and exit_status < 0 else None
    full = BY_CODE["disk_full"].says
    assert full is not None
    if ended_by in BY_FORCE and not full.search(stderr_tail):
        return _signalled(ended_by)
    for patterns in ([(cause.code, cause.says) for cause in CAUSES], [(cause.code, cause.hints) for cause in CAUSES]):
        for code, pattern in patterns:
            found = pattern.search(stderr_tail) if pattern else None
            if found:
                return error(code, _line(stderr_tail, found.start()))
    if ended_by is not None:
        return _signalled(ended_by)
    said = _line(stderr_tail.rstrip(), len(stderr_tail.rstrip()))
    ended = "without a status" if exit_status is None else f"with status {exit_status}"
    code = next((cause.code for cause in CAUSES if exit_status in cause.statuses), "unknown")
    return error(code, f"FFmpeg ended {ended}: {said}" if said else f"FFmpeg ended {ended} and said nothing")


def _signalled(number: int) -> ErrorView:
    code = next((cause.code for cause in CAUSES if number in cause.signals), "crashed")
    name = signal.Signals(number).name
    how = f"FFmpeg crashed with {name}" if code == "crashed" else f"FFmpeg was ended by {name}, and not by Rushes"
    return error(code, how)


def _line(text: str, at: int) -> str:
    """The line around a place, without FFmpeg's `[component @ address]`."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start : end if end >= 0 else len(text)].strip()
    return re.sub(r"^(\[[^\]]* @ 0x[0-9a-f]+\] )+", "", line)[:SHOWN_CHARS]
