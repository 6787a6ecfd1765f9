"""`rushes serve`: becomes the daemon, whose own module reads the arguments."""

import os
import sys

import click


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def serve(args: tuple[str, ...]) -> None:
    """Run the daemon in the foreground.

    \b
    Example:
      rushes serve --data /var/lib/rushes --slots 4
    """
    # exec, so that the process the user or systemd started is the daemon, with its pid and its signals;
    # -P, so that a folder named `actors` where the user happens to stand is not taken for ours.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "actors", *args])  # noqa: S606 # no shell is wanted
