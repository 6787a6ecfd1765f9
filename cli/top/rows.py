"""The model as lines of text. Pure: a line is pieces of text, each with its style.

Whatever users wrote ends in `fitted`, which cleans it, and no piece is ever read as markup.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bus.messages import Event, JobView, OutputView
from cli import text
from cli.event_text import details
from cli.feed import LIKE, SHORT_ID_CHARS
from cli.job_table import WAITS
from cli.table import COLOURS, cut, width
from cli.top.model import QUEUE_SHOWN, Model

BAR_CELLS = 10
WIDE_BAR_CELLS = 24
WIDE = 110
"""Columns from which on there is room for the wide bar."""

KIND_CELLS = 16
"""Of an event's kind: the longest, `output_completed`."""

PHASES = ("starting", "finishing", "stopping", "paused")
"""What stands in the place of a speed while there is none."""


class Piece(NamedTuple):
    """Some text in one style, as rich writes styles."""

    text: str
    style: str = ""


class Row(NamedTuple):
    """A line about one job."""

    job_id: str
    pieces: tuple[Piece, ...]


class Section(NamedTuple):
    """Jobs under a heading. `empty` stands there where there are none."""

    heading: tuple[Piece, ...]
    rows: list[Row]
    empty: str


def sections(model: Model, wanted: str, room: int) -> list[Section]:
    """All jobs that are shown, in lines of `room` cells.

    Args:
        model: what is known.
        wanted: the filter: what an id begins with, or a part of a name, session or file; empty for all.
        room: cells of a line.

    """
    running = sorted(model.running.values(), key=lambda job: job.started_at or "")
    ended = sorted(model.ended.values(), key=lambda job: job.finished_at or job.cancelled_at or "", reverse=True)
    bar = WIDE_BAR_CELLS if room >= WIDE else BAR_CELLS
    none = f"nothing here fits {text.clean(wanted)!r}" if wanted else ""
    return [
        Section(
            _heading("RUNNING", text.count(model.counts["processing"], "job")),
            [_running(job, bar, room) for job in _fitting(running, wanted)],
            none or "nothing runs",
        ),
        Section(
            _heading("QUEUE", _queued(model), warning=model.draining),
            [_waiting(job, room) for job in _fitting(model.queue, wanted)],
            none or "nothing waits",
        ),
        Section(
            _heading(
                "ENDED", ", ".join(f"{model.counts[word]:,} {word}" for word in ("completed", "failed", "cancelled"))
            ),
            [_ended(job, room) for job in _fitting(ended, wanted)],
            none or "nothing has ended yet",
        ),
    ]


def fits(job: JobView, wanted: str) -> bool:
    """True where a job is one that the filter means."""
    needle = wanted.casefold()
    names = (job.name or "", job.session or "", *(output.path.rpartition("/")[2] for output in job.outputs))
    return job.id.startswith(needle) or any(needle in name.casefold() for name in names)


def _fitting(jobs: Iterable[JobView], wanted: str) -> Iterator[JobView]:
    return (job for job in jobs if not wanted or fits(job, wanted))


def _heading(word: str, said: str, *, warning: bool = False) -> tuple[Piece, ...]:
    return (Piece(f"{word:9}", "bold"), Piece(said, "bold yellow" if warning else "dim"))


def _queued(model: Model) -> str:
    queued = model.counts["queued"]
    said = f"first {QUEUE_SHOWN} of {queued:,}" if queued > QUEUE_SHOWN else f"{queued:,} waiting"
    return f"{said}, none starts" if model.draining else said


# ---------------------------------------------------------------- a job


def _running(job: JobView, bar: int, room: int) -> Row:
    output = next((output for output in job.outputs if output.status == "rendering"), None)
    filled = int((job.progress or 0) * bar)
    return _row(
        job,
        [
            Piece("━" * filled, "green" if job.phase != "stopping" else "magenta"),
            Piece("─" * (bar - filled) + " ", "dim"),
            Piece(f"{text.percent(job.progress):>4}  "),
            *_pace(job, output),
        ],
        [Piece(_title(job, output))],
        room,
    )


def _pace(job: JobView, output: OutputView | None) -> list[Piece]:
    """Speed and time left, where the length is not known how much there is; or what it does instead."""
    if job.phase in PHASES:
        return [Piece(f"{job.phase:16}", COLOURS.get(job.phase, "cyan"))]
    if output is None:
        return [Piece(" " * 16)]
    speed = "" if output.speed is None else f"{output.speed:.3g}x"
    left = text.size(output.size) if output.eta is None else f"-{text.clock(output.eta)}"
    return [Piece(f"{speed:>6}{left:>10}")]


def _title(job: JobView, output: OutputView | None) -> str:
    """What people call the job, and which of its files is being made where it makes several."""
    title = text.title(job)
    if output is None or job.total_outputs == 1:
        return title
    file = output.path.rpartition("/")[2]
    return f"{output.index + 1}/{job.total_outputs} {file}" + (f" ({title})" if job.name else "")


def _waiting(job: JobView, room: int) -> Row:
    title = [Piece(text.title(job))]
    if job.waiting:
        title += [Piece(f": {WAITS.get(job.waiting.why, job.waiting.message)}", "yellow")]
    priority = f"prio {job.priority}" if job.priority else ""
    return _row(job, [Piece(f"{job.position or '':>7}"), Piece(f"  {priority:10}", "dim")], title, room)


def _ended(job: JobView, room: int) -> Row:
    at = job.finished_at or job.cancelled_at
    return _row(
        job,
        [Piece(f"{text.time_of_day(at) if at else '':8}  ", "dim"), Piece(f"{job.status:9}", COLOURS[job.status])],
        [Piece(text.title(job)), *_outcome(job)],
        room,
    )


def _outcome(job: JobView) -> list[Piece]:
    """What there is to say of an end besides its kind."""
    if job.status == "failed" and job.error:
        return [Piece(f": {job.error.code}: {job.error.message}", "red")]
    if job.cancel and job.status == "cancelled":
        return [Piece(f": {job.cancel.reason}, by {job.cancel.by}", "dim")]
    size = sum(output.size or 0 for output in job.outputs)
    return [Piece(f"  {text.size(size)}", "dim")] if size else []


def _row(job: JobView, columns: Sequence[Piece], title: Sequence[Piece], room: int) -> Row:
    lead = (Piece(f"{job.id[:SHORT_ID_CHARS]}  ", "bold"), *columns, Piece("  "))
    return Row(job.id, fitted((*lead, *title), room))


# ---------------------------------------------------------------- events


def feed(events: Sequence[Event], model: Model, count: int, room: int) -> list[tuple[Piece, ...]]:
    """The last `count` events, the newest at the end."""
    return [_event(event, model, room) for event in events[max(0, len(events) - count) :]] if count else []


def _event(event: Event, model: Model, room: int) -> tuple[Piece, ...]:
    scope, _, kind = event.type.partition(".")
    job = model.job(event.job_id)
    title = text.title(job) if job else str(event.data.get("name") or "")
    return fitted(
        (
            Piece(f"{text.time_of_day(event.at)}  ", "dim"),
            Piece(f"{event.job_id[:SHORT_ID_CHARS] if event.job_id else scope:{SHORT_ID_CHARS}}  "),
            Piece(f"{kind:{KIND_CELLS}}  ", COLOURS.get(LIKE.get(event.type, ""), "")),
            Piece("  ".join(part for part in (title, details(event)) if part)),
        ),
        room,
    )


def fitted(pieces: Iterable[Piece], room: int) -> tuple[Piece, ...]:
    """Pieces in at most so many cells, and with nothing in them that a terminal obeys."""
    kept: list[Piece] = []
    for piece in pieces:
        if room <= 0:
            break
        said = text.clean(piece.text)
        kept.append(Piece(cut(said, room), piece.style))
        room -= width(said)
    return tuple(kept)
