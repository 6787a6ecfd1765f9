"""Values as people read them. Pure: no terminal, no clock but the one that is given.

Names, paths and messages come from whoever may submit a job, so nothing of theirs reaches a terminal before
`clean`: a file name must not be able to move the cursor, rename the window or type for its reader.
"""

import re
from datetime import UTC, datetime, timedelta

from bus.messages import JobView, OutputView

NEVER = ""
"""What stands in a table where there is no value."""

BAR_CELLS = 20
"""Width of a bar in text: one cell is 5 %."""

WIRE_TIME = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z")
"""A time as the bus has them, in a sentence of the daemon's."""

_HIDDEN = "�"
_CONTROLS: dict[int, int | str | None] = {
    **{code: 0x2400 + code for code in range(0x20)},  # the pictures that Unicode has for them: ␛, ␊
    0x7F: "␡",
    **dict.fromkeys(range(0x80, 0xA0), _HIDDEN),
    # What reorders or breaks a line, so that `exe.mp4` could be shown as `4pm.exe`.
    **dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)), _HIDDEN),
}
_LOG_CONTROLS = {**dict.fromkeys(_CONTROLS), **{ord(kept): kept for kept in "\n\t\r"}}
_ESCAPE = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])"
"""ECMA-48: control sequences, operating system commands, and the two-character kind."""

_JSON_CONTROLS = {code: f"\\u{code:04x}" for code in _CONTROLS if code >= 0x7F}


def clean(text: str) -> str:
    """One line that cannot do anything to a terminal: controls are shown as signs."""
    return text if text.isascii() and text.isprintable() else text.translate(_CONTROLS)


def clean_log(text: str) -> str:
    """Lines that cannot do more to a terminal than begin a new one: whole escape sequences are taken out."""
    return re.sub(_ESCAPE, "", text).translate(_LOG_CONTROLS)


def clean_json(text: str) -> str:
    """JSON in which the controls that JSON lets stand are escaped, too. The same document."""
    return text.translate(_JSON_CONTROLS)


# ---------------------------------------------------------------- numbers


def percent(progress: float | None) -> str:
    """`42%`; rounded down, so that 100% means all of it."""
    return NEVER if progress is None else f"{int(progress * 100 + 1e-9)}%"


def bar(progress: float | None) -> str:
    """The same as a bar."""
    filled = int((progress or 0) * BAR_CELLS)
    return "█" * filled + "░" * (BAR_CELLS - filled)


def size(count: int | None) -> str:
    """Bytes in units of 1000, as disks are sold and as `ls --si` shows them."""
    if count is None:
        return NEVER
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def clock(seconds: float | None) -> str:
    """A length as players show it: `0:42`, `1:02:03`."""
    if seconds is None:
        return NEVER
    whole = int(seconds + 0.5)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def span(seconds: float) -> str:
    """How long, in the largest unit: `42s`, `3m`, `2h`, `5d`."""
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"


def took(start: str, end: str) -> str:
    """The time between two times of the wire: `0.6s`, `42s`, `3m12s`, `1h02m`. A clock that was set back is no time."""
    seconds = max(0.0, (moment(end) - moment(start)).total_seconds())
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def count(number: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# ---------------------------------------------------------------- times


def moment(at: str) -> datetime:
    """A time of the wire."""
    return datetime.fromisoformat(at)


def local_time(at: str | None) -> str:
    """A time of the wire on the reader's own clock, with its date: an operator reads across midnight."""
    return NEVER if at is None else moment(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def short_time(at: str) -> str:
    """The same without the year, for a column."""
    return moment(at).astimezone().strftime("%m-%d %H:%M:%S")


def time_of_day(at: str) -> str:
    """The same without the date."""
    return moment(at).astimezone().strftime("%H:%M:%S")


def said(message: str) -> str:
    """What the daemon says, for a terminal: one clean line, with its times on the reader's own clock."""
    return clean(WIRE_TIME.sub(_as_local, message))


def _as_local(found: "re.Match[str]") -> str:
    try:
        return short_time(found[0])
    except (ValueError, OverflowError):  # somebody's notes may hold what looks like one
        return found[0]


def age(at: str, now: datetime | None = None) -> str:
    """How long ago a time of the wire was."""
    passed: timedelta = (now or datetime.now(UTC)) - moment(at)
    return span(passed.total_seconds())


# ---------------------------------------------------------------- jobs


def standing(job: JobView) -> str:
    """The job's status in one word; a job that is about to stop, or is paused, says so."""
    if job.phase == "stopping":
        return "stopping"
    return "paused" if job.paused else job.status


def title(job: JobView) -> str:
    """What people call the job: its name, else the files it makes."""
    return clean(job.name) if job.name else files(job)


def files(job: JobView) -> str:
    """The names of the files the job makes."""
    return clean(", ".join(output.path.rpartition("/")[2] for output in job.outputs))


def picture(output: OutputView) -> str:
    """`1280x720 25 fps`, or what of it is known."""
    parts = []
    if output.width and output.height:
        parts.append(f"{output.width}x{output.height}")
    if output.fps:
        parts.append(f"{output.fps:.5g} fps")
    return " ".join(parts)
