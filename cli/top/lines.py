"""Lines of text that are drawn anew only when they have changed."""

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Static

from cli.text import clean
from cli.top.rows import Piece


class Lines(Static):
    """Some lines of pieces. They come as rich's text, in which there is no markup."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 # textual's own name for it
        super().__init__(id=id)
        self._shown: list[tuple[Piece, ...]] = []

    def show(self, lines: Sequence[tuple[Piece, ...]]) -> None:
        """Show these lines."""
        if list(lines) != self._shown:
            self._shown = list(lines)
            self.update(as_text(self._shown), layout=False)


def as_text(lines: Sequence[Sequence[Piece]]) -> Text:
    """Lines of pieces as rich has them, cleaned once more: some come here without having been fitted."""
    return Text("\n").join(Text.assemble(*((clean(piece.text), piece.style) for piece in line)) for line in lines)
