"""Following a session until none of its jobs is queued or runs: events say when to look, one look sums it up."""

import os
import shlex
import time
from types import TracebackType
from typing import NamedTuple

import click

from bus.client import Client
from bus.errors import NoDaemon
from bus.messages import STATUSES, Event, SessionResult
from bus.request import DEADLINE_SECONDS
from bus.stream import EventStream
from cli import text
from cli.lines import LINE_SECONDS
from cli.output import is_terminal, note, room
from cli.table import cut, state

LOOK_SECONDS = 1.0
"""Between two looks where nothing is heard: the progress of what runs."""

SHARE = 20
"""The twentieth part of the time is spent looking, at most: a look at 10,000 jobs takes the daemon some 20 ms."""


class Outcome(NamedTuple):
    """A session whose jobs have ended; `gone` are those that were deleted meanwhile and had not completed."""

    result: SessionResult
    gone: int


def await_session(client: Client, name: str) -> Outcome:
    """What became of a session once all of its jobs have ended, those that were added or retried meanwhile, too.

    Raises:
        NotFound: it has no job, or none any more.

    """
    seen, gone = False, 0
    try:
        with client.events() as stream, _Sums() as show:
            while True:
                begun = time.monotonic()
                result = client.session(name)
                if not result.counts["queued"] + result.counts["processing"]:
                    return Outcome(result, gone + _gone_at_last(client, stream, name))
                seen = True
                show(result)
                now = time.monotonic()
                soon, late = now + SHARE * (now - begun), now + LOOK_SECONDS
                while (left := late - time.monotonic()) > 0:
                    event = stream.next(left)
                    if event is not None and event.session == name:
                        gone += _is_loss(event)
                        late = min(late, soon)
    except (KeyboardInterrupt, NoDaemon):
        if seen:  # else there was no daemon to begin with
            note(f"Nothing was stopped; to go on waiting: rushes session {shlex.quote(text.clean(name))} --wait")
        raise


def _is_loss(event: Event) -> bool:
    """True where a job is gone that had not completed."""
    return event.type in ("job.deleted", "job.expired") and event.data.get("status") != "completed"


def _gone_at_last(client: Client, stream: EventStream, name: str) -> int:
    """How many of the session's jobs are lost by what has happened and was not heard yet."""
    last, gone = client.status().last_seq, 0
    while stream.seen < last and (event := stream.next(DEADLINE_SECONDS)) is not None:
        gone += event.session == name and _is_loss(event)
    return gone


def counts(result: SessionResult) -> str:
    """`queued 2  completed 5`: of each status that occurs."""
    return "  ".join(f"{state(status)} {result.counts[status]}" for status in STATUSES if result.counts[status])


class _Sums:
    """How far it is, on stderr: one line that is written over on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._writes_over = is_terminal(err=True) and os.environ.get("TERM") != "dumb"
        self._said_at: float | None = None

    def __enter__(self) -> "_Sums":
        return self

    def __call__(self, result: SessionResult) -> None:
        """Show it."""
        now = time.monotonic()
        if self._writes_over:
            line = f"{text.bar(result.progress)} {text.percent(result.progress):>4}  {click.unstyle(counts(result))}"
            width = room(err=True)
            click.echo(f"\r{cut(line, width - 1) if width else line}\x1b[K", nl=False, err=True)
        elif self._said_at is not None and now - self._said_at < LINE_SECONDS:
            return
        else:
            note(f"{text.clean(result.session)}  {text.percent(result.progress)}  {counts(result)}")
        self._said_at = now

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writes_over and self._said_at is not None:
            note("")  # ends the line
