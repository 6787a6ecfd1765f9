"""What the doctor found, as people and programs read it."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable

import click
import msgspec

from actors.doctor.finding import Finding, State

WORDS: dict[State, tuple[str, str]] = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}
"""How a state is written, and in which colour."""

STATE_CELLS, NAME_CELLS = 6, 15
"""Of the first two columns."""

MIN_CELLS = 40
"""Below that a line is not wrapped more tightly."""


class PipeClosed(Exception):
    """Whoever read the lines has gone. Not an OSError, which click would take for its own affair."""


def say(line: str | bytes) -> None:
    """Print a line. Raises `PipeClosed`."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"  # no-color.org, and who cannot
    try:
        click.echo(line, color=False if is_plain else None)
    except BrokenPipeError:
        raise PipeClosed from None


def show(finding: Finding) -> None:
    """Print what was found: on a terminal in lines that fit, in a pipe in one."""
    word, colour = WORDS[finding.state]
    parts = [finding.message, *([finding.remedy] if finding.remedy is not None else [])]
    if sys.stdout.isatty():
        indent = STATE_CELLS + NAME_CELLS
        cells = max(MIN_CELLS, shutil.get_terminal_size().columns - indent)
        message, *remedy = (
            textwrap.wrap(part, cells - 2, break_long_words=False, break_on_hyphens=False) for part in parts
        )
        lines = message + [f"{'  ' if number else '→ '}{line}" for lines in remedy for number, line in enumerate(lines)]
        text = f"\n{' ' * indent}".join(lines)
    else:
        text = "; ".join(parts)
    say(click.style(f"{word:{STATE_CELLS}}", fg=colour) + f"{finding.check:{NAME_CELLS}}{text}")


def summary(found: Iterable[Finding]) -> str:
    """The last line."""
    states = [finding.state for finding in found]
    failed, warned = states.count("fail"), states.count("warn")
    if not failed and not warned:
        return "All is well."
    return f"{failed} failed, {warned} to look at, {states.count('ok')} ok."


def print_json(found: list[Finding], *, failed: bool) -> None:
    """All of it as one document."""
    body = msgspec.json.encode({"ok": not failed, "findings": found})
    say(msgspec.json.format(body, indent=2) if sys.stdout.isatty() else body)
