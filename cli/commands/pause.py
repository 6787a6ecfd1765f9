"""`rushes pause` and `rushes unpause`: jobs that are held where they are."""

import click

from bus.client import Client
from bus.messages import JobStatus, PauseResult
from cli import text
from cli.options import selects, with_client
from cli.output import say
from cli.several import Selection, Tally

ACTIVE: tuple[JobStatus, ...] = ("queued", "processing")


@click.command()
@selects(*ACTIVE)
@click.option("--release", is_flag=True, help="Let others have its slots meanwhile.")
@with_client
def pause(
    client: Client,
    /,
    *,
    given: tuple[str, ...],
    session: str | None,
    wanted: tuple[JobStatus, ...],
    release: bool,
    as_json: bool,
) -> None:
    """Hold jobs where they are, until `rushes unpause`.

    A queued job keeps its place. FFmpeg of a running one is stopped in the middle of its work, and keeps its memory;
    its timeouts stop, too. It keeps its slots unless you give --release; then it goes on when it has them again.

    \b
    Examples:
      rushes pause k3xm --release
      rushes pause --session dailies
    """
    selection = Selection(given, session, wanted)
    selection.check()
    tally = Tally[PauseResult](single=selection.names_one)
    for job in tally.jobs(client, selection, ACTIVE):
        with tally.of(job.id):
            tally.results[job.id] = client.pause(job.id, release=release)
            _say(tally.results[job.id], "paused", "was paused before", as_json=as_json)
    if as_json:
        tally.print_json()
    tally.check()


@click.command()
@selects(*ACTIVE)
@with_client
def unpause(
    client: Client,
    /,
    *,
    given: tuple[str, ...],
    session: str | None,
    wanted: tuple[JobStatus, ...],
    as_json: bool,
) -> None:
    """Let paused jobs go on.

    \b
    Example:
      rushes unpause k3xm
    """
    selection = Selection(given, session, wanted)
    selection.check()
    tally = Tally[PauseResult](single=selection.names_one)
    for job in tally.jobs(client, selection, ACTIVE):
        with tally.of(job.id):
            result = tally.results[job.id] = client.unpause(job.id)
            if result.job.paused is None:
                _say(result, "goes on", "is not paused", as_json=as_json)
            else:
                _say(result, "goes on when it has its slots", "waits for its slots already", as_json=as_json)
    if as_json:
        tally.print_json()
    tally.check()


def _say(result: PauseResult, changed: str, unchanged: str, *, as_json: bool) -> None:
    if not as_json:
        say(f"{result.job.id} {changed if result.changed else unchanged}: {text.title(result.job)}")
