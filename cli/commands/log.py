"""`rushes log`: what FFmpeg said."""

import time

import click

from bus import limits
from bus.client import Client
from bus.request import ENDED
from cli import text
from cli.history import between
from cli.jobs import find
from cli.numbers import Whole
from cli.options import job_id, with_client
from cli.output import is_terminal, note, print_json, say_raw

FOLLOW_SECONDS = 0.5
"""Between two looks at a log that grows. FFmpeg says little while it encodes."""


@click.command()
@job_id
@click.option("--output", type=Whole(0), metavar="N", help="Of this output; else the latest.")
@click.option("--attempt", type=Whole(1), metavar="N", help="Of this attempt; else the latest.")
@click.option("--tail", type=Whole(1), metavar="N", help="The last N lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@with_client
def log(
    client: Client,
    /,
    *,
    given: str,
    output: int | None,
    attempt: int | None,
    tail: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """What FFmpeg said on stderr. The middle of a very long log is not kept.

    \b
    Examples:
      rushes log k3xm
      rushes log k3xm --output 1 --follow
    """
    if follow and (as_json or attempt is not None):
        raise click.UsageError("--follow goes on with the latest attempt, as text: no --json, no --attempt")
    job = find(client, given)
    if follow:
        _follow(client, job, output, tail)
        return
    result = client.log(job, output=output, attempt=attempt, tail=tail)
    if as_json:
        print_json(result)
        return
    _print(result.text)
    if result.truncated:
        note("Not all of it was kept." if tail is None else "This is its end; without --tail comes all of it.")


def _follow(client: Client, job_id: str, output: int | None, tail: int | None) -> None:
    """Print the latest run's log as it grows, then those of the runs that follow, until the job has ended."""
    runs: list[_Run] = []
    seen, first = 0, True
    while True:
        # Asked before the log is read: once the job has ended, what is read then is all there will be.
        ended = client.get(job_id).job.status in ENDED
        for event in between(client, seen, limits.MAX_SEQ, job_id):
            seen = event.seq or seen
            if event.type == "job.output_started" and output in (None, event.data["index"]):
                runs.append(_Run(event.data["run"], event.data["index"], event.data["path"]))
        if first:
            first, runs = False, runs[-1:]
        for run in runs:
            run.read_on(client, job_id, tail)
        del runs[:-1]
        if ended:
            return
        time.sleep(FOLLOW_SECONDS)


class _Run:
    """One FFmpeg run of a job and how far its log has been read."""

    def __init__(self, attempt: int, output: int, path: str) -> None:
        self._attempt = attempt
        self._output = output
        self._path = path
        self._offset: int | None = None

    def read_on(self, client: Client, job_id: str, tail: int | None) -> None:
        """Print what has come since the last time; the first time, the last `tail` lines."""
        if self._offset is None:
            note(click.style(f"==> output {self._output}: {text.clean(self._path)}", bold=True))
        result = client.log(
            job_id,
            output=self._output,
            attempt=self._attempt,
            tail=tail if self._offset is None else None,
            offset=self._offset,
        )
        self._offset = result.next_offset
        _print(result.text)


def _print(said: str) -> None:
    """As it is into a pipe; a terminal gets nothing that could command it."""
    say_raw(text.clean_log(said) if is_terminal() else said)
