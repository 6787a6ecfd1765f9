"""The cost curve as an SVG: what each thing takes, over the number of queued jobs, both on logarithmic axes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 40, 50

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Told apart by everybody, whatever colours they see (Okabe and Ito, 2008)."""

LABEL_HEIGHT = 15

Points = Sequence[tuple[float, float]]


class Axis:
    """Values on a logarithmic axis, from one power of ten to another, between two places of the picture."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(self.low + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        """Where a value is."""
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self._start + part * (self._end - self._start)

    @property
    def ticks(self) -> list[float]:
        """The powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def draw(path: Path, title: str, series: Mapping[str, Points]) -> None:
    """Write the picture. A point is a number of jobs and the seconds that something takes."""
    path.write_text(picture(title, series))


def picture(title: str, series: Mapping[str, Points]) -> str:
    """The picture's text."""
    every = [point for points in series.values() for point in points]
    across = Axis([jobs for jobs, _ in every], LEFT, WIDTH - RIGHT)
    up = Axis([seconds for _, seconds in every], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, TOP - 16, title, weight="bold"),
        *_grid(across, up),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "queued jobs", anchor="middle"),
        *_lines(across, up, series),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(across: Axis, up: Axis) -> list[str]:
    parts = []
    for jobs in across.ticks:
        x = across.at(jobs)
        parts.append(_line(x, TOP, x, HEIGHT - BOTTOM))
        parts.append(_text(x, HEIGHT - BOTTOM + 18, _count(jobs), anchor="middle"))
    for seconds in up.ticks:
        y = up.at(seconds)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text(LEFT - 8, y + 4, _duration(seconds), anchor="end"))
    return parts


def _lines(across: Axis, up: Axis, series: Mapping[str, Points]) -> list[str]:
    """Each thing's line and, right of its last point, its name; names keep out of each other's way."""
    parts = []
    taken = float("-inf")
    colours = dict(zip(series, COLOURS * len(series), strict=False))
    for name in sorted(series, key=lambda name: -series[name][-1][1]):  # from the top down
        places = [(across.at(jobs), up.at(seconds)) for jobs, seconds in series[name]]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colours[name]}"/>' for x, y in places]
        taken = max(places[-1][1] + 4, taken + LABEL_HEIGHT)
        label = f"{name} ({_duration(series[name][-1][1])})"
        parts.append(_text(places[-1][0] + 10, taken, label, colour=colours[name]))
    return parts


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", colour: str = "#222222", weight: str = "") -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{bold}>{escape(text)}</text>'


def _count(jobs: float) -> str:
    return f"{jobs / 1e6:g} M" if jobs >= 1e6 else f"{jobs / 1e3:g} k" if jobs >= 1e3 else f"{jobs:g}"


def _duration(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"
