"""Asking a person before something is done to many jobs, or that cannot be taken back."""

import sys
from collections.abc import Sequence

import click

from bus.messages import JobView
from cli import text
from cli.output import note
from cli.table import Column, table

PREVIEW_JOBS = 10
PREVIEW_FILES = 10
"""What a question names before it says how many more there are."""

YES = click.option("--yes", is_flag=True, help="Do not ask.")


def must_ask(*, yes: bool) -> bool:
    """True where the user is to be asked.

    Raises:
        click.UsageError: nobody is there to answer, and `--yes` was not given.

    """
    if yes:
        return False
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("this asks first, and stdin is no terminal: say --yes (nothing was done)")
    return True


def ask(jobs: Sequence[JobView], question: str, *, removing: Sequence[str] = ()) -> None:
    """Name the jobs, and the files that would be removed, and ask; ends the command where the answer is no."""
    columns = (Column("ID"), Column("STATUS", states=True), Column("JOB"))
    note(table(columns, [(job.id, text.standing(job), text.title(job)) for job in jobs[:PREVIEW_JOBS]]))
    if len(jobs) > PREVIEW_JOBS:
        note(f"and {len(jobs) - PREVIEW_JOBS} more")
    for path in removing[:PREVIEW_FILES]:
        note(f"would remove {text.clean(path)}")
    if len(removing) > PREVIEW_FILES:
        note(f"and {len(removing) - PREVIEW_FILES} more")
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        note("")  # ends the line that Ctrl-C or Ctrl-D was typed in
        raise
    if not agreed:
        note("Nothing was done.")
        raise click.exceptions.Exit(1)
