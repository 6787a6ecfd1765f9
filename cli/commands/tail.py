"""`rushes tail`: events, as they happen, without losing one."""

import click
import msgspec

from bus.client import Client
from bus.messages import Event
from bus.stream import EventStream
from cli import text
from cli.events import DAEMON_KINDS, JOB_KINDS, PROGRESS, Wanted, line, types_of
from cli.history import between, last
from cli.jobs import find
from cli.numbers import Whole
from cli.options import check_id, complete_id, with_client
from cli.output import complain, note, say

LOOK_SECONDS = 1.0
SILENT_LOOKS = 3
"""How many looks without even a heartbeat, which comes each second, are a daemon that is gone."""

DEFAULT_LINES = 10
"""As tail(1) has it."""


def _types(_ctx: click.Context, _param: click.Parameter, words: tuple[str, ...]) -> frozenset[str]:
    types: set[str] = set()
    for word in words:
        if not types_of(word):
            known = ", ".join(dict.fromkeys((*JOB_KINDS, *DAEMON_KINDS)))
            raise click.BadParameter(f"there is no event {word!r}; there are {known}")
        types |= types_of(word)
    return frozenset(types)


@click.command()
@click.option("--since", type=Whole(0), metavar="SEQ", help="From the event after this.")
@click.option(
    "-n",
    "--lines",
    metavar="N",
    type=Whole(0),
    help=f"Begin with the last so many. [default: {DEFAULT_LINES}]",
)
@click.option("--job", metavar="ID", help="Of this job.", callback=check_id, shell_complete=complete_id)
@click.option("--session", metavar="NAME", help="Of this session.")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    callback=_types,
    help="Such as completed or job.completed; `progress` only if asked for. May be repeated.",
)
@click.option("--follow/--no-follow", default=True, help="Go on with those to come. [default: follow]")
@with_client
def tail(
    client: Client,
    /,
    *,
    since: int | None,
    lines: int | None,
    job: str | None,
    session: str | None,
    types: frozenset[str],
    follow: bool,
    as_json: bool,
) -> None:
    """Events, as they happen: none is lost, over restarts of the daemon too.

    With --json, each is one line of JSON.

    \b
    Examples:
      rushes tail --type failed --type cancelled
      rushes tail --since 0 --no-follow --json > history.jsonl
    """
    if since is not None and lines is not None:
        raise click.UsageError("give either --since or --lines")
    wanted = Wanted(find(client, job) if job else None, session, types)
    now = client.status().last_seq
    if since is None:
        for event in last(client, DEFAULT_LINES if lines is None else lines, now, wanted):
            _print(event, as_json=as_json)
    elif not follow:
        for event in between(client, since, now, wanted.job_id):
            if wanted.fits(event):
                _print(event, as_json=as_json)
    if follow:
        with client.events(now if since is None else since, ephemeral=PROGRESS in types) as stream:
            watch = _Watch(client, stream)
            while True:
                heard = stream.next(LOOK_SECONDS)
                watch.look(idle=heard is None)
                if heard is not None and wanted.fits(heard):
                    _print(heard, as_json=as_json)


class _Watch:
    """Says when the daemon has fallen silent and when it is back: a tail that waits looks like a night without work."""

    def __init__(self, client: Client, stream: EventStream) -> None:
        self._address = client.address
        self._stream = stream
        self._heard_at = stream.heard_at
        self._idle_looks = 0

    def look(self, *, idle: bool) -> None:
        """To be called after each `next`. Looks count, not time: whoever stopped us with Ctrl-Z stopped no daemon."""
        silent = self._idle_looks >= SILENT_LOOKS
        if self._stream.heard_at != self._heard_at:
            self._heard_at, self._idle_looks = self._stream.heard_at, 0
            if silent:
                note(f"The daemon at {self._address} is back.")
        elif idle:
            self._idle_looks += 1
            if not silent and self._idle_looks >= SILENT_LOOKS:
                complain(
                    f"no daemon answers at {self._address}; waiting for it, to go on after event {self._stream.seen}"
                )


def _print(event: Event, *, as_json: bool) -> None:
    say(text.clean_json(msgspec.json.encode(event).decode()) if as_json else line(event))
