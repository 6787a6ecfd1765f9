"""Asking a person before something is done to many jobs, or that cannot be taken back."""

import sys
from collections.abc import Sequence

import click

from bus.messages import JobView
from cli import text
from cli.output import note
from cli.table import Column, table

PREVIEW_JOBS = 10
"""Jobs that a question names before it says how many more there are."""

YES = click.option("--yes", is_flag=True, help="Do not ask.")


def must_ask(*, yes: bool) -> bool:
    """True where the user is to be asked.

    Raises:
        click.UsageError: nobody is there to answer, and `--yes` was not given.

    """
    if yes:
        return False
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError(
            "this asks before it acts, and stdin is no terminal: give --yes; nothing was done"
        )
    return True


def ask(jobs: Sequence[JobView], question: str) -> None:
    """Name the jobs and ask; ends the command where the answer is no."""
    columns = (Column("id"), Column("status", states=True), Column("job"))
    note(table(columns, [(job.id, text.standing(job), text.title(job)) for job in jobs[:PREVIEW_JOBS]]))
    if len(jobs) > PREVIEW_JOBS:
        note(f"and {len(jobs) - PREVIEW_JOBS} more")
    if not click.confirm(question, err=True):
        note("Nothing was done.")
        raise click.exceptions.Exit(1)
