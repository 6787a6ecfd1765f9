"""`rushes tail`: events, as they happen, without losing one."""

from collections.abc import Callable, Iterable
from datetime import datetime

import click
import msgspec

from bus.client import Client
from bus.messages import Event
from cli import text
from cli.events import DAEMON_KINDS, JOB_KINDS, KNOWN, Wanted, means
from cli.feed import Feed
from cli.history import between, last, seq_before
from cli.jobs import find
from cli.names import PATIENCE_SECONDS, Names
from cli.numbers import Whole
from cli.options import check_id, complete_id, with_client
from cli.output import check_reader, note, room, say
from cli.presence import LOOK_SECONDS, Presence
from cli.since import read_since

DEFAULT_LINES = 10
"""As tail(1) has it."""

MAX_LOOKBACK = 100_000
"""Events looked at for the last few that are wanted, where nobody says since when: some seconds' reading."""

Show = Callable[[Event], None]


def _types(_ctx: click.Context, _param: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not any(means(word, kind) for kind in KNOWN):
            known = ", ".join(dict.fromkeys((*JOB_KINDS, *DAEMON_KINDS)))
            raise click.BadParameter(f"there is no event {word!r}; there are {known}")
    return words


def _somebody(_ctx: click.Context, _param: click.Parameter, name: str | None) -> str | None:
    if name == "":
        raise click.BadParameter("give a name, as events have it in `by`")
    return name


def _complete_type(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The types that begin so, in short and whole."""
    names = [*dict.fromkeys((*JOB_KINDS, *DAEMON_KINDS)), *KNOWN]
    return [name for name in names if name.startswith(incomplete)]


@click.command()
@click.option("--since", metavar="WHEN", help="90s, 10m, 2h ago; a time; or an event's number.", callback=read_since)
@click.option(
    "-n", "--lines", metavar="N", type=Whole(0), help=f"Begin with the last so many. [default: {DEFAULT_LINES}]"
)
@click.option("--job", metavar="ID", help="Of this job.", callback=check_id, shell_complete=complete_id)
@click.option("--session", metavar="NAME", help="Of this session.")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    callback=_types,
    shell_complete=_complete_type,
    help="Such as failed, job.failed or 'output_*'; progress only by its name. May be repeated.",
)
@click.option("--by", metavar="NAME", help="Caused by this user.", callback=_somebody)
@click.option(
    "-f/ ", "--follow/--no-follow", "follow", default=True, help="Go on with those to come. [default: follow]"
)
@with_client
def tail(
    client: Client,
    /,
    *,
    since: int | datetime | None,
    lines: int | None,
    job: str | None,
    session: str | None,
    types: tuple[str, ...],
    by: str | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Events, as they happen: none is lost, over restarts of the daemon too.

    An event is shown that fits all of the options. With --json, each is one line of JSON.

    \b
    Examples:
      rushes tail --type failed --type cancelled
      rushes tail --since 2h --by ann --no-follow
      rushes tail --since 0 --no-follow --json > history.jsonl
    """
    wanted = Wanted(_job(client, job) if job else None, session, by, types)
    status = client.status()
    start = seq_before(client, since) if isinstance(since, datetime) else since
    with Client(client.address, deadline=PATIENCE_SECONDS) as asker:
        show = _show_json if as_json else _shower(asker)
        is_any = True
        if start is None or lines is not None:
            count = DEFAULT_LINES if lines is None else lines
            is_any = _show_last(client, count, start, status.last_seq, wanted, show)
            start = status.last_seq
        elif not follow:
            is_any = _show(filter(wanted.fits, between(client, start, status.last_seq, wanted.job_id)), show)
        if follow:
            _follow(client, start, status.epoch, wanted, show)
        elif not (is_any or as_json):
            note("No events.")


def _job(client: Client, given: str) -> str:
    """The id of the job; a whole one may be that of a job that is deleted, whose events stay.

    Raises:
        NotFound: there is no such job, and nothing is known of one.

    """
    job_id = find(client, given)
    if not client.events_page(0, job_id=job_id, limit=1).events:
        client.get(job_id)
    return job_id


def _show(events: Iterable[Event], show: Show) -> bool:
    """Show them; whether there was any."""
    is_any = False
    for event in events:
        show(event)
        is_any = True
    return is_any


def _show_last(client: Client, count: int, since: int | None, until: int, wanted: Wanted, show: Show) -> bool:
    """The last few that are wanted, after `since` if it is given; whether there was any."""
    floor = max(0, until - MAX_LOOKBACK) if since is None and wanted.job_id is None else since or 0
    events = last(client, count, floor, until, wanted)
    is_any = _show(events, show)
    if since is None and floor and len(events) < count:
        note(f"No more of them are among the last {MAX_LOOKBACK:,} events; --since looks further back.")
    return is_any


def _follow(client: Client, since: int, epoch: str, wanted: Wanted, show: Show) -> None:
    """Show what comes after `since`, for ever."""
    with client.events(since, ephemeral=wanted.progress) as stream:
        presence = Presence(client, stream, epoch, by_seq=True)
        while True:
            event = stream.next(LOOK_SECONDS)
            presence.look(waited=LOOK_SECONDS if event is None else 0.0)
            if event is not None and wanted.fits(event):
                show(event)
            check_reader()


def _shower(asker: Client) -> Show:
    """What prints events for people."""
    feed = Feed(Names(asker))

    def show(event: Event) -> None:
        for line in feed.lines(event, room()):
            say(line)

    return show


def _show_json(event: Event) -> None:
    say(text.clean_json(msgspec.json.encode(event).decode()))
