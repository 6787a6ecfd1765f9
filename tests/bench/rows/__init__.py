"""The rows of the table, one file for those that are measured together."""

from collections.abc import Callable
from typing import NamedTuple

from tests.bench.lineup import Bench
from tests.bench.report import Row
from tests.bench.rows import backlog, busy, cancels, command_line, crashes, encodes, events, idle, starts, submits


class Group(NamedTuple):
    """Rows that are measured together. `waits`: most of its time passes in waiting, so that others may do so beside."""

    keys: tuple[str, ...]
    measure: Callable[[Bench], list[Row]]
    waits: bool = False


GROUPS = (
    Group((submits.MANY, submits.SINGLE), submits.measure),
    Group((starts.START, starts.OVERHEAD), starts.measure),
    Group((encodes.TRANSCODE,), encodes.transcode),
    Group((encodes.CANCEL,), encodes.cancel),
    Group((cancels.KEY,), cancels.measure, waits=True),
    Group((crashes.KEY,), crashes.measure, waits=True),
    Group((busy.KEY,), busy.measure),
    Group((backlog.KEY,), backlog.measure),
    Group((events.KEY,), events.measure),
    Group((command_line.KEY,), command_line.measure),
)
"""In the order in which they are measured and shown; `idle`, which lasts a minute, spans those that wait."""

KEYS = (*(key for group in GROUPS for key in group.keys), idle.KEY)
