"""`rushes demo`: everything at once, for someone who has never seen it."""

import signal
import time
from types import FrameType

import click

from cli import text
from cli.demo import SLOTS, stage
from cli.demo_checks import Check, checks, show_all
from cli.demo_play import Play
from cli.output import say


@click.command()
def demo() -> None:
    """See all of it work: a daemon and clips in a folder of their own, gone afterwards.

    Ends with the jobs, the events that were heard and the files on disk, each checked against what it should be;
    the exit status is 0 where all of it is so.

    \b
    Example:
      rushes demo
    """
    signal.signal(signal.SIGTERM, _interrupt)
    begun = time.monotonic()
    with stage() as made:
        clips = made.folder / "clips"
        clips.mkdir()
        say(f"A daemon with {SLOTS} slots serves {made.bus}.")
        play = Play(made.client, clips)
        play.perform()
        show_all(made.client, play)
        results = list(checks(made.client, play))
        results.append(("the daemon ended with status 0", made.stop() == 0))
    say("\nChecks")
    for check in results:
        say(_verdict(check))
    failed = sum(not held for _, held in results)
    took = text.span(time.monotonic() - begun)
    say(f"\n{len(results) - failed} of {len(results)} hold, after {took}.")
    if failed:
        raise click.exceptions.Exit(1)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """A polite kill is as good as Ctrl-C: the daemon is stopped, too."""
    raise KeyboardInterrupt


def _verdict(check: Check) -> str:
    what, holds = check
    return f"{click.style('✓', fg='green') if holds else click.style('✗', fg='red', bold=True)} {what}"
