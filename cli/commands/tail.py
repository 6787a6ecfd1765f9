"""`rushes tail`: events, as they happen, without losing one."""

import click
import msgspec

from bus.client import Client
from bus.messages import Event
from cli import text
from cli.events import DAEMON_KINDS, JOB_KINDS, PROGRESS, Wanted, line, types_of
from cli.history import between, last
from cli.jobs import find
from cli.options import check_id, complete_id, with_client
from cli.output import say

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
@click.option("--since", type=click.IntRange(min=0), metavar="SEQ", help="From the event after this.")
@click.option(
    "-n",
    "--lines",
    metavar="N",
    type=click.IntRange(min=0),
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
            for event in stream:
                if wanted.fits(event):
                    _print(event, as_json=as_json)


def _print(event: Event, *, as_json: bool) -> None:
    say(text.clean_json(msgspec.json.encode(event).decode()) if as_json else line(event))
