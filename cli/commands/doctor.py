"""`rushes doctor`: hands over to the daemon's own look at what it needs, which reads the arguments."""

import os
import sys

import click


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def doctor(args: tuple[str, ...]) -> None:
    """See whether all is there that the daemon needs, and what to do where it is not.

    \b
    Example:
      rushes doctor --config /etc/rushes/rushes.toml
    """
    os.execv(sys.executable, [sys.executable, "-P", "-m", "actors.doctor", *args])  # noqa: S606 # as in `serve`
