"""Events as lines for people: aligned columns, cut to the terminal, each kind in the colour of its outcome."""

from collections.abc import Iterator
from datetime import datetime

import click

from bus.messages import Event
from cli import text
from cli.event_text import details
from cli.events import DAEMON_KINDS, JOB_KINDS
from cli.names import Names
from cli.table import COLOURS, cut, width

WIDE_COLUMNS = 120
"""From here on there is room for the date, for the event's number and for kinds that are a column."""

KIND_CELLS = max(len(kind) for kind in (*JOB_KINDS, *DAEMON_KINDS))
SHORT_ID_CHARS = 8
"""Of an id in a line: enough to be told apart, and to be given to any command."""

SEQ_CELLS = 6
"""Of an event's number, which is what `--since` takes; after a million events lines only become longer."""

NAME_CELLS, WIDE_NAME_CELLS = 14, 20
"""Of a job's name. With 14, half of 80 columns is left for what happened."""

MIN_DETAILS = 12
"""What happened is cut to what the terminal leaves, but never below this."""

LIKE = {
    "job.submitted": "queued",
    "job.boosted": "queued",
    "job.requeued": "stopping",
    "job.started": "processing",
    "job.output_started": "processing",
    "job.progress": "processing",
    "job.output_completed": "completed",
    "job.completed": "completed",
    "job.failed": "failed",
    "job.cancelling": "stopping",
    "job.signalled": "stopping",
    "job.cancelled": "cancelled",
    "job.paused": "stopping",
    "job.unpaused": "processing",
    "daemon.started": "completed",
    "daemon.resumed": "completed",
    "daemon.disk_ok": "completed",
    "daemon.draining": "stopping",
    "daemon.stopping": "stopping",
    "daemon.disk_low": "failed",
    "daemon.actor_restarted": "failed",
}
"""The state in whose colour a type is shown; what only tidies up has none."""


class Feed:
    """The lines of one stream of events.

    Args:
        names: where the jobs' names come from.

    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._day = datetime.now().astimezone().date()

    def lines(self, event: Event, columns: int | None) -> Iterator[str]:
        """The event's line; where it has no room for the date, before it the date whenever that has changed.

        `columns` is the terminal's width, None where nothing is cut.
        """
        wide = columns is None or columns >= WIDE_COLUMNS
        day = text.moment(event.at).astimezone().date()
        if not wide and day != self._day:
            yield click.style(f"-- {day:%Y-%m-%d} --", dim=True)
        self._day = day
        yield line(event, self._names.of(event), columns)


def line(event: Event, name: str, columns: int | None) -> str:
    """When, which job, what, why, by whom. `name` is the job's; `columns` as for `Feed.lines`."""
    scope, _, kind = event.type.partition(".")
    kind, name, said = text.clean(kind), text.clean(name), text.clean(details(event))
    job = (event.job_id or scope)[:SHORT_ID_CHARS].ljust(SHORT_ID_CHARS)
    if columns is None or columns >= WIDE_COLUMNS:
        seq = "" if event.seq is None else str(event.seq)
        when = text.local_time(event.at) if columns is None else text.short_time(event.at)
        before, gap, name_cells, kind_cells = f"{seq:>{SEQ_CELLS}}  {when}", "  ", WIDE_NAME_CELLS, KIND_CELLS
    else:
        before, gap, name_cells, kind_cells = text.time_of_day(event.at), " ", NAME_CELLS, 0
    padding = " " * (kind_cells - len(kind))
    if columns is not None:
        name = cut(name, name_cells)
        used = len(gap.join((before, f"{job} ", kind + padding, ""))) + name_cells
        said = cut(said, max(MIN_DETAILS, columns - used))
    named = f"{job} {name}" + " " * (name_cells - width(name))
    shown = click.style(kind, fg=COLOURS.get(LIKE.get(event.type, ""))) + padding
    return gap.join((click.style(before, dim=True), named, shown, said)).rstrip()
