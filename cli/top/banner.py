"""The lines above and below the jobs: the daemon, what is wrong with it, and the keys. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from bus.messages import JobView, StatusResult
from bus.request import ENDED
from cli import text
from cli.table import width
from cli.top.model import Model
from cli.top.rows import Piece, fitted

ONE_SLOT = "cpu"
"""What a job takes that does not say what it takes."""

ALARM = "bold reverse red"
WARNING = "bold yellow"


STOPS = {
    "stop": ": what runs is queued again",
    "drain": ", once running jobs have ended",
    "leave": ": FFmpeg runs on for the next one",
}
"""What an ordered stop means for the jobs, by its mode."""


class Disk(NamedTuple):
    """A disk that outputs go to, as this machine sees it: one of the folders on it, and its free bytes."""

    folder: str
    free: int


def headline(model: Model, address: str, room: int) -> tuple[Piece, ...]:
    """Which daemon this is, and how busy."""
    status = model.status
    left = Piece(f"Rushes {status.version}" if status else "Rushes", "bold")
    where = Piece(f"  {address}" + (f"  pid {status.pid}" if status else ""), "dim")
    slots = f"{_slots(model, status)}  {model.counts['queued']:,} queued" if status else ""
    gap = room - width(left.text) - width(where.text) - width(slots)
    if gap < 1:  # the counts are what matters
        where = Piece("", "dim")
        gap = max(1, room - width(left.text) - width(slots))
    return fitted((left, where, Piece(" " * gap), Piece(slots, "bold")), room)


def _slots(model: Model, status: StatusResult) -> str:
    """`2/4 slots`; `cpu 2/4  nvenc 1/2` where there are several kinds."""
    totals = {name: resource.total for name, resource in status.resources.items()} or {ONE_SLOT: status.slots}
    used: Counter[str] = Counter()
    for job in model.running.values():
        if job.paused is None or not job.paused.released:
            used.update(job.resources or {ONE_SLOT: 1})
    if len(totals) == 1:
        return "".join(f"{used[name]}/{total} slots" for name, total in totals.items())
    return "  ".join(f"{name} {used[name]}/{total}" for name, total in totals.items())


def state(model: Model, disks: Sequence[Disk], wanted: str, room: int) -> tuple[Piece, ...]:
    """What is wrong, the worst first; what of the jobs is shown; how much room the disks have."""
    if model.silent_since is not None:
        said = f"No daemon answers since {model.silent_since}: below is how it stood then. Waiting for it."
        return fitted((Piece(said, ALARM),), room)
    parts: list[Piece] = []
    if model.stopping is not None:
        parts.append(Piece(f"THE DAEMON STOPS{STOPS.get(model.stopping, '')}", WARNING))
    for folder, low in model.low.items():
        said = f"DISK LOW: {folder} has {text.size(low.free)}, its jobs wait for {text.size(low.floor)}"
        parts.append(Piece(said, ALARM))
    waiting = next((job.waiting for job in model.queue if job.waiting and job.waiting.why == "disk"), None)
    if waiting and not model.low:  # its event was before our time
        parts.append(Piece(f"DISK LOW: {waiting.message}", ALARM))
    if model.draining:
        parts.append(Piece("DRAINING: no further job starts", WARNING))
    if wanted:
        parts.append(Piece(f"ONLY {wanted!r}: Escape shows all", WARNING))
    parts += [Piece(f"{disk.folder} has {text.size(disk.free)} free", "dim") for disk in disks]
    gaps = [piece for part in parts for piece in (Piece("   "), part)][1:]
    return fitted(gaps, room)


# ---------------------------------------------------------------- keys

KEYS = (
    ("c", "Cancel"),
    ("p", "Pause"),
    ("f+-", "Move"),
    ("r", "Retry"),
    ("d", "Delete"),
    ("l", "Log"),
    ("s", "Drain"),
    ("/", "Find"),
    ("?", "Help"),
    ("q", "Quit"),
)
"""What the footer shows; the help has the rest."""


def keys(model: Model, job: JobView | None) -> tuple[Piece, ...]:
    """The keys; those that mean nothing for the chosen job are dim."""
    pieces = []
    for key, does in KEYS:
        usable = _usable(key, job)
        label = does
        if key == "s" and model.draining:
            label = "Resume"
        elif key == "p" and job is not None and job.paused:
            label = "Go on"
        pieces.append(Piece(f" {key}", "bold cyan" if usable else "dim"))
        pieces.append(Piece(f" {label}", "" if usable else "dim"))
    return tuple(pieces)


def _usable(key: str, job: JobView | None) -> bool:
    match key:
        case "c" | "p":
            return job is not None and job.status not in ENDED and job.phase != "stopping"
        case "f+-":
            return job is not None and job.status == "queued"
        case "r":
            return job is not None and job.status == "failed"
        case "d" | "l":
            return job is not None
    return True
