"""What was measured, as a table for people and as JSON. Every number stands with its unit."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tests.bench.measure import Spread
from tests.support.wire import Map

LEFT_OUT = "–"
"""For what was not measured of somebody."""

WIDE = 160
"""Characters: on a narrower terminal rich would break every cell."""


class Figure(msgspec.Struct, frozen=True):
    """One measured thing. `value` is what is compared; `text` what is shown; `more` what JSON has besides."""

    value: float
    text: str
    more: Map = {}


class Goal(msgspec.Struct, frozen=True):
    """What was wished for, and whether it is so; None where there was nothing to hold it against."""

    text: str
    met: bool | None


class Table(msgspec.Struct, frozen=True):
    """A table of its own, for what is no number."""

    title: str
    head: list[str]
    lines: list[list[str]]


class Row(msgspec.Struct, kw_only=True):
    """One row of the table.

    Args:
        key: how `--only` names it.
        what: what was measured.
        how: in a few words.
        ours: of Rushes.
        floor: without any manager.
        peers: of the others, by name.
        failed: why there is no figure of one, by name.
        best: the best peer that counts, by name.
        goals: what was wished for.
        notes: what a reader must know.
        tables: what is no number.

    """

    key: str
    what: str
    how: str
    ours: Figure
    floor: Figure | None = None
    peers: dict[str, Figure] = {}
    failed: dict[str, str] = {}
    best: str | None = None
    goals: list[Goal] = []
    notes: list[str] = []
    tables: list[Table] = []

    @property
    def verdict(self) -> str:
        """`met` where every goal is; one that had nothing to be held against is said so."""
        missed = [goal.text for goal in self.goals if goal.met is False]
        open_ = [goal.text for goal in self.goals if goal.met is None]
        if missed:
            return "missed" if len(missed) == len(self.goals) else "missed: " + "; ".join(missed)
        if len(open_) == len(self.goals):
            return "not compared"
        return "met, not compared: " + "; ".join(open_) if open_ else "met"

    def ratio(self, other: Figure | None) -> str:
        """How many times the other's figure ours is."""
        return LEFT_OUT if other is None or not other.value else f"{self.ours.value / other.value:.2f} ×"


def rate(count: int, seconds: float) -> Figure:
    """So many a second."""
    return Figure(count / seconds, f"{count / seconds:,.0f}/s", {"count": count, "seconds": seconds})


def milliseconds(seconds: float) -> str:
    """Such as `0.43 ms`, with as many digits as say something."""
    value = seconds * 1000
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.1f} ms" if value >= 10 else f"{value:.2f} ms"


def latency(spread: Spread) -> Figure:
    """Median and p99; the median is what is compared."""
    text = f"{milliseconds(spread.p50)} / {milliseconds(spread.p99)}"
    return Figure(spread.p50, text, {"p50": spread.p50, "p99": spread.p99, "times": spread.times})


def best_of(peers: Mapping[str, Figure], *, most: bool, among: Sequence[str] | None = None) -> str | None:
    """The name of the peer with the highest or lowest figure."""
    names = [name for name in peers if among is None or name in among]
    return (max if most else min)(names, key=lambda name: peers[name].value) if names else None


# ------------------------------------------------------------ as text


def overview(rows: Sequence[Row]) -> Table:
    """One line a row."""
    head = ["what", "Rushes", "floor", "× floor", "best peer", "× best", "goal", ""]
    lines = []
    for row in rows:
        best = row.peers.get(row.best or "")
        lines.append([
            row.what,
            row.ours.text,
            row.floor.text if row.floor else LEFT_OUT,
            row.ratio(row.floor),
            f"{best.text} ({row.best})" if best else LEFT_OUT,
            row.ratio(best),
            "; ".join(goal.text for goal in row.goals),
            row.verdict,
        ])  # fmt: skip
    return Table("Rushes, its floor and the best of its peers (p50 / p99, or a rate)", head, lines)


def by_peer(rows: Sequence[Row], line_up: Mapping[str, Map]) -> Table:
    """One line a peer: what it makes durable, and its figure in each row that has peers."""
    shown = [row for row in rows if row.peers or row.failed]
    head = ["", "on disk when a submit returns", "version", *(row.what for row in shown)]
    lines = []
    for name, about in line_up.items():
        figures = [_cell(row, name) for row in shown]
        lines.append([name, str(about["durability"]), str(about["version"]), *figures])
    return Table("Everybody", head, lines)


def _cell(row: Row, name: str) -> str:
    figure = row.ours if name == "Rushes" else row.peers.get(name)
    return figure.text if figure else "failed" if row.failed.get(name, "").startswith("failed") else LEFT_OUT


def aligned(table: Table) -> str:
    """Columns of one width each; as it happens, Markdown."""
    rows = [[_plain(cell) for cell in line] for line in (table.head, *table.lines)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    rule = ["-" * width for width in widths]
    text = [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in (rows[0], rule, *rows[1:])
    ]
    return "\n".join([table.title, "", *text])


def _plain(cell: str) -> str:
    return " ".join(cell.replace("|", "/").split())


def show(table: Table) -> None:
    """Print a table: plain in a pipe and on a narrow terminal."""
    if sys.stdout.isatty():
        import rich.box
        import rich.console
        import rich.table

        console = rich.console.Console()
        if console.width >= WIDE:
            drawn = rich.table.Table(*table.head, title=table.title, title_justify="left", box=rich.box.SIMPLE)
            for line in table.lines:
                drawn.add_row(*line)
            console.print(drawn)
            return
    print(f"{aligned(table)}\n")


def show_all(rows: Sequence[Row], machine: Map, line_up: Mapping[str, Map], left_out: Mapping[str, str]) -> None:
    """Everything that was found out, on stdout."""
    print()
    show(overview(rows))
    if any(row.peers or row.failed for row in rows):
        show(by_peer(rows, line_up))
    for row in rows:
        for table in row.tables:
            show(table)
    for row in rows:
        print(f"{row.what}: {row.how}")
        for note in row.notes:
            print(f"    {note}")
        for name, why in row.failed.items():
            print(f"    {name}: {why}")
    for name, why in left_out.items():
        print(f"left out: {name}: {why}")
    print(f"\n{'; '.join(f'{name} {value}' for name, value in machine.items())}")


def save(
    path: Path, rows: Sequence[Row], machine: Map, line_up: Mapping[str, Map], left_out: Mapping[str, str]
) -> None:
    """The same and all that is behind it, as JSON. Times are in seconds."""
    found = {
        "machine": machine,
        "line_up": line_up,
        "left_out": left_out,
        "rows": [{**msgspec.to_builtins(row), "verdict": row.verdict} for row in rows],
    }
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
