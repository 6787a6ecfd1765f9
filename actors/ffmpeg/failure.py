"""Why an FFmpeg run failed: from its exit status and its words to a code, a sentence, and whether a retry can help."""

import re
import signal
from typing import NamedTuple

from bus.messages import ErrorView


class Symptom(NamedTuple):
    """What in FFmpeg's stderr tells of one cause."""

    code: str
    pattern: re.Pattern[str]
    remedy: str


RETRYABLE = frozenset(
    {
        "input_missing",
        "output_folder_missing",
        "disk_full",
        "no_memory",
        "killed",
        "timeout",
        "stalled",
        "crashed",
        "unknown",
    }
)
"""Where another attempt of the same command may end otherwise: the cause lies outside the command and the file."""

SYMPTOMS = tuple(
    Symptom(code, re.compile(pattern, re.IGNORECASE | re.MULTILINE), remedy)
    for code, pattern, remedy in (
        ("disk_full", r"No space left on device|Disk quota exceeded", "make room and retry"),
        (
            "no_memory",
            r"Cannot allocate memory|Out of memory|malloc of size \d+ failed",
            "run fewer jobs at once, or give the machine memory",
        ),
        ("permission", r"Permission denied|Read-only file system", "give the daemon's user access"),
        (
            "unknown_encoder",
            r"Unknown (?:en|de)coder|Encoder not found|Automatic encoder selection failed",
            "see what this FFmpeg has: ffmpeg -encoders",
        ),
        (
            "input_missing",
            r"Error opening input.*: No such file or directory|^/.*: No such file or directory|Connection refused|"
            r"No route to host|Connection timed out|"
            r"Failed to resolve hostname|HTTP error 404",
            "put the input back and retry",
        ),
        (
            "input_corrupt",
            r"Error opening input.*: Invalid data found|moov atom not found|could not find codec parameters",
            "check the input: ffmpeg -v error -i FILE -f null -",
        ),
        (
            "bad_args",
            r"Unrecognized option|Option not found|Error splitting the argument list|Unable to parse option|"
            r"Error parsing (?:option|a filter|filterchain|global)|No such filter|Unknown input format|"
            r"Requested output format .* is not known|Unable to (?:find|choose) (?:a suitable )?(?:an )?output format|"
            r"matches no streams|Undefined constant|Error applying option|Could not (?:find tag|write header)|"
            r"Error (?:initializing|opening|while opening) (?:filters|encoder)|does not contain any stream|"
            r"Error opening output files: Invalid argument",
            "correct the job's arguments",
        ),
        (
            "input_corrupt",
            r"Invalid data found when processing input|Error while decoding|Error submitting packet to decoder",
            "check the input: ffmpeg -v error -i FILE -f null -",
        ),
    )
)

BY_FORCE = frozenset({signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE})
"""Signals after which FFmpeg had no last word. For others what it said is asked first: its own statuses, which are
the low byte of a negated errno, reach into the shell's 128 + signal (143 is SIGTERM, and EHOSTUNREACH too)."""

INPUT_DAMAGE = re.compile(
    r"^\[[^\n]* @ 0x[0-9a-f]+\] [^\n]*(partial file|File ended prematurely|corrupt (?:input packet|decoded frame)|"
    r"Packet corrupt|Error (?:while decoding|during demuxing|submitting packet)|Decoding error|Invalid NAL unit size|"
    r"Invalid data found when processing input|stream ends prematurely)",
    re.IGNORECASE | re.MULTILINE,
)
"""What FFmpeg says when it goes on over a damaged input and still leaves 0."""

STOPPED_BY_Q = re.compile(r"command received\. Exiting\.")
"""What FFmpeg says when it obeys `q`: only this tells a stop from an end (fftools/ffmpeg.c; seen with 9.0)."""

SHOWN_CHARS = 300
"""How much of FFmpeg's own line an error message repeats."""


def error(code: str, message: str) -> ErrorView:
    """An error of this table's codes."""
    return ErrorView(code=code, message=message, retryable=code in RETRYABLE)


def explain(exit_status: int | None, stderr_tail: str) -> ErrorView:
    """Why a run failed.

    Args:
        exit_status: as the shim wrote it; negative for the signal that ended FFmpeg; None where nobody could say.
        stderr_tail: the end of what FFmpeg said.

    """
    if exit_status is not None and -exit_status in BY_FORCE and not SYMPTOMS[0].pattern.search(stderr_tail):
        return _signalled(-exit_status)
    for symptom in SYMPTOMS:
        found = symptom.pattern.search(stderr_tail)
        if found:
            return error(symptom.code, f"{_line(stderr_tail, found.start())}; {symptom.remedy}")
    if exit_status is not None and exit_status < 0:
        return _signalled(-exit_status)
    said = _line(stderr_tail.rstrip(), len(stderr_tail.rstrip()))
    ended = "ended without a status" if exit_status is None else f"ended with status {exit_status}"
    return error("unknown", f"FFmpeg {ended}: {said}" if said else f"FFmpeg {ended} and said nothing")


def _signalled(number: int) -> ErrorView:
    name = signal.Signals(number).name
    if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        return error("killed", f"FFmpeg was ended by {name}, and not by Rushes; out of memory, or somebody's kill")
    return error("crashed", f"FFmpeg crashed with {name}")


def _line(text: str, at: int) -> str:
    """The line around a place, without FFmpeg's `[component @ address]`."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start : end if end >= 0 else len(text)].strip()
    return re.sub(r"^(\[[^\]]* @ 0x[0-9a-f]+\] )+", "", line)[:SHOWN_CHARS]
