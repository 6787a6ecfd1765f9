"""`rushes wait`: until jobs have ended."""

import click

from bus.client import Client
from cli.jobs import find
from cli.numbers import Seconds
from cli.options import job_ids, with_client
from cli.output import print_json
from cli.watch import settle, wait_for


@click.command()
@job_ids(required=True)
@click.option("--timeout", type=Seconds(0), metavar="SECONDS", help="For all of them together.")
@with_client
def wait(client: Client, /, *, given: tuple[str, ...], timeout: float | None, as_json: bool) -> None:
    """Wait until jobs have ended.

    The exit status is 0 where all are completed, else 1, with the reasons on stderr.

    \b
    Example:
      rushes wait --timeout 600 k3xm && echo done
    """
    views = wait_for(client, [find(client, prefix) for prefix in given], timeout)
    if as_json:
        jobs = list(views.values())
        print_json({"job": jobs[0]} if len(given) == 1 else {"jobs": jobs})
    settle(views, timeout)
