"""Aligned columns, coloured on a terminal, plain in a pipe. No library: importing rich takes longer."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import click

COLOURS = {
    "queued": "cyan",
    "pending": "cyan",
    "processing": "blue",
    "rendering": "blue",
    "stopping": "magenta",
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
}
"""The one colour of each state, wherever it is printed."""

MARKS = frozenset({"Mn", "Me", "Cf"})
SOFT_HYPHEN = "\xad"
JAMO = frozenset(map(chr, range(0x1160, 0x1200)))
"""Vowels and finals of Hangul: they stand in the cells of the sign before them."""

GAP = "  "
MIN_LAST = 12
"""The last column is cut to what the terminal leaves, but never below this."""


class Column(NamedTuple):
    """A column's heading and how it is set."""

    title: str
    right: bool = False
    states: bool = False
    """Its cells are states, each in its colour."""


def state(word: str) -> str:
    """A state in its colour."""
    return click.style(word, fg=COLOURS.get(word))


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int | None = None) -> str:
    """The lines of a table; `room` is the terminal's width, None where nothing is cut."""
    titles = [column.title for column in columns]
    widths = [max(map(width, cells)) for cells in zip(titles, *rows, strict=True)]
    if room is not None:
        before = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
        widths[-1] = min(widths[-1], max(MIN_LAST, room - before))
    head = _line([column._replace(states=False) for column in columns], titles, widths)
    return "\n".join([click.style(head, bold=True), *(_line(columns, row, widths) for row in rows)])


def _line(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int]) -> str:
    parts = []
    for column, cell, cells_wide in zip(columns, cells, widths, strict=True):
        text = cut(cell, cells_wide)
        padding = " " * (cells_wide - width(text))
        shown = state(text) if column.states else text
        parts.append(padding + shown if column.right else shown + padding)
    return GAP.join(parts).rstrip()


def width(text: str) -> int:
    """Cells of a terminal that `text` takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(sign: str) -> int:
    """East Asian signs take two. None take marks, such as Thai vowels, joiners, and what makes a Hangul syllable whole,
    as macOS writes file names.
    """
    if (unicodedata.category(sign) in MARKS and sign != SOFT_HYPHEN) or sign in JAMO:
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def cut(text: str, cells: int) -> str:
    """`text` in at most so many cells, with `…` where something is missing."""
    if width(text) <= cells:
        return text
    kept, used = [], 1
    for sign in text:
        used += width(sign)
        if used > cells:
            break
        kept.append(sign)
    return "".join(kept) + "…"


def cut_front(text: str, cells: int) -> str:
    """The same, with what is missing at the beginning: of a path, the end says most."""
    return cut(text[::-1], cells)[::-1]
