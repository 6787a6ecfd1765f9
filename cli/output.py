"""Where lines go: results to stdout, everything said about them to stderr."""

import os
import select
import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from cli import text
from cli.table import Column, table


def is_terminal(*, err: bool = False) -> bool:
    """True where a person reads it."""
    stream = sys.stderr if err else sys.stdout
    return stream is not None and stream.isatty()


def room(*, err: bool = False) -> int | None:
    """The width of the terminal on stdout; None where there is none, or it does not say, and nothing need be cut."""
    try:
        return os.get_terminal_size((sys.stderr if err else sys.stdout).fileno()).columns or None
    except (OSError, AttributeError):
        return None


class PipeClosed(Exception):
    """Whoever read our results has gone. Not an OSError, which click would take for its own affair."""


def check_reader() -> None:
    """For who waits with nothing to say: raises `PipeClosed` where whoever read our results has gone."""
    poll = select.poll()
    try:
        poll.register(sys.stdout, 0)  # an error on a pipe, which nobody reads any more, is told unasked
        gone = poll.poll(0)
    except (OSError, ValueError, TypeError):
        return  # there is no stdout that anybody could close
    if any(state & select.POLLERR for _, state in gone):
        raise PipeClosed


def say(line: str) -> None:
    """A result. Raises `PipeClosed`."""
    _write(line + "\n", colour=_colour())


def say_raw(piece: str) -> None:
    """A result that is passed on as it is, with whatever it holds. Raises `PipeClosed`."""
    _write(piece, colour=True)


def _write(piece: str, colour: bool | None) -> None:
    try:
        click.echo(piece, nl=False, color=colour)
    except BrokenPipeError:
        raise PipeClosed from None


def note(line: str) -> None:
    """Something about a result, which a pipe must not get."""
    click.echo(line, err=True, color=_colour())


def _colour() -> bool | None:
    """False where the user said so (no-color.org) or the terminal cannot; None leaves it to each stream."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def complain(problem: str) -> None:
    """Why something was not done. `problem` may repeat what strangers wrote."""
    note(click.style("rushes:", fg="red", bold=True) + f" {text.clean(problem)}")


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout."""
    say(table(columns, rows, room()))


def print_json(result: Any) -> None:
    """A result map as one JSON document: one line for programs, laid out for people."""
    body = msgspec.json.encode(result)
    if is_terminal():
        body = msgspec.json.format(body, indent=2)
    say(text.clean_json(body.decode()))
