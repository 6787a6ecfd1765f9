"""The jobs on the screen: three lists under their headings, through which one cursor goes."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from cli.top.rows import Piece, Section
from cli.top.window import allot, scrolled

CHOSEN = Style(reverse=True)
"""And nothing else: what a colour or a faint letter becomes in reverse, each terminal decides for itself."""


class JobList(Widget):
    """Draws only the lines that have changed: over a slow line, each costs a moment.

    The chosen job stays the chosen one wherever it goes. Where it is gone, the one that has taken its place is.
    """

    class Chosen(Message):
        """Another job is the chosen one."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen: str | None = None
        """The id of the job that the keys are for."""
        self._sections: Sequence[Section] = ()
        self._tops: list[int] = []
        self._index = 0
        self._drawn: list[tuple[tuple[Piece, ...], bool]] = []

    def show(self, sections: Sequence[Section]) -> None:
        """Show these jobs."""
        if len(sections) != len(self._sections):
            self._tops = [0] * len(sections)
        self._sections = sections
        ids = self._ids()
        if self.chosen in ids:
            self._index = ids.index(self.chosen)
        self._choose(min(self._index, len(ids) - 1))

    def go(self, step: int) -> None:
        """Choose the job so many lines on."""
        self._choose(max(0, min(self._index + step, len(self._ids()) - 1)))

    def go_section(self, step: int) -> None:
        """Choose the first job of the next list that has one."""
        starts, first, own = [], 0, 0
        for section in self._sections:
            if section.rows:
                starts.append(first)
                own = len(starts) - 1 if first <= self._index else own
            first += len(section.rows)
        if starts:
            self._choose(starts[(own + step) % len(starts)])

    def on_resize(self) -> None:
        """Another size, another choice of lines."""
        self._draw()

    def render_line(self, y: int) -> Strip:
        """One line of the widget."""
        room = self.size.width
        if y >= len(self._drawn):
            return Strip.blank(room)
        pieces, chosen = self._drawn[y]
        segments = [Segment(piece.text, CHOSEN if chosen else Style.parse(piece.style)) for piece in pieces]
        return Strip(segments).adjust_cell_length(room, CHOSEN if chosen else None)

    def _ids(self) -> list[str]:
        return [row.job_id for section in self._sections for row in section.rows]

    def _choose(self, index: int) -> None:
        ids = self._ids()
        before, self.chosen = self.chosen, ids[index] if ids else None
        self._index = max(0, index)
        if self.chosen != before:
            self.post_message(self.Chosen())
        self._draw()

    def _draw(self) -> None:
        """Have those lines drawn that are not as they were."""
        before, self._drawn = self._drawn, self._lines()
        for y in range(max(len(before), len(self._drawn))):
            if before[y : y + 1] != self._drawn[y : y + 1]:
                self.refresh(Region(0, y, self.size.width, 1))

    def _lines(self) -> list[tuple[tuple[Piece, ...], bool]]:
        """The lines of the widget, each with whether it is the chosen one."""
        lines: list[tuple[tuple[Piece, ...], bool]] = []
        heights = allot(
            [max(1, len(section.rows)) for section in self._sections], self.size.height - len(self._sections)
        )
        first = 0
        for number, (section, height) in enumerate(zip(self._sections, heights, strict=True)):
            length = len(section.rows)
            own = self._index - first if section.rows and first <= self._index < first + length else None
            top = self._tops[number] = scrolled(self._tops[number], own, length, height)
            lines.append(((*section.heading, *_hidden(top, height, length)), False))
            if not section.rows:
                lines.append(((Piece(f"  {section.empty}", "dim"),), False))
            lines += [(section.rows[place].pieces, place == own) for place in range(top, min(top + height, length))]
            first += length
        return lines[: self.size.height]


def _hidden(top: int, height: int, length: int) -> tuple[Piece, ...]:
    """Which of a list's lines are shown, where that is not all of them."""
    if length <= height:
        return ()
    return (Piece(f", {top + 1} to {top + height} shown" if height else ", no room to show them", "dim"),)
