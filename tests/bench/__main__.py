"""`make bench`: what Rushes adds to FFmpeg, and what others add. Needs a disk; takes some five minutes on two cores."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from tests.bench import plot, report
from tests.bench.lineup import Bench, clear
from tests.bench.measure import machine, real_disk
from tests.bench.ours import Rushes
from tests.bench.peers import CANCELLING, FLOORS, PEERS
from tests.bench.peers.base import Peer
from tests.bench.report import Row
from tests.bench.rows import GROUPS, KEYS, Group, backlog, idle
from tests.support.media import find_ffmpeg
from tests.support.wire import Map

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""

CURVES = {"submit": "submit", "boost": "boost", backlog.LIST: "list", backlog.READY: "restart"}
"""What the plot shows of the row about long queues, and how it is called there."""


def main() -> int:
    """Measure and show; 1 where a row could not be measured."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw what a long queue costs")
    parser.add_argument("--only", action="append", choices=KEYS, metavar="ROW", help=f"of {', '.join(KEYS)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, to see that everything runs")
    given = parser.parse_args()
    _take_signals()
    folder = Path(tempfile.mkdtemp(prefix="rushes-bench-", dir=real_disk()))
    try:
        bench = Bench(folder, find_ffmpeg(), quick=given.quick)
        about = machine(folder, bench.ffmpeg)
        rows, broken = measure_all(bench, given.only or KEYS)
    finally:
        clear(folder)
    rows.sort(key=lambda row: KEYS.index(row.key))
    everybody: tuple[type[Peer], ...] = (Rushes, *FLOORS, *PEERS, *CANCELLING)
    line_up = {
        cls.name: {"durability": cls.durability, "version": cls.version(), "syncs": cls.syncs}
        for cls in everybody
        if cls.name not in bench.left_out
    }
    report.show_all(rows, about, line_up, bench.left_out)
    for what in broken:
        print(f"not measured: {what}")
    if given.json:
        report.save(given.json, rows, about, line_up, bench.left_out)
    if given.svg:
        draw(given.svg, rows, about)
    return 1 if broken else 0


def measure_all(bench: Bench, keys: Sequence[str]) -> tuple[list[Row], list[str]]:
    """The rows that are wanted, and what could not be measured and why."""
    rows: list[Row] = []
    broken: list[str] = []

    def measure(name: str, how: Any) -> None:
        bench.say(f"{name} …")
        try:
            rows.extend(row for row in how(bench) if row.key in keys)
        except Exception as error:  # noqa: BLE001 # one row that fails is told of, and the others are measured
            broken.append(f"{name}: {type(error).__name__}: {error}")
            bench.say(f"    {broken[-1]}")

    def measure_groups(groups: Sequence[Group]) -> None:
        for group in groups:
            measure(", ".join(group.keys), group.measure)

    wanted = [group for group in GROUPS if set(group.keys) & set(keys)]
    waiting = [group for group in wanted if group.waits]
    measure_groups([group for group in wanted if not group.waits])
    if idle.KEY in keys:
        measure(idle.KEY, lambda bench: idle.measure(bench, lambda: measure_groups(waiting)))
    else:
        measure_groups(waiting)
    return rows, broken


def draw(path: Path, rows: Sequence[Row], about: Map) -> None:
    """The plot, where the row that it is of was measured."""
    found = next((row for row in rows if row.key == backlog.KEY), None)
    if found is None:
        print(f"no plot: {backlog.KEY} was not measured")
        return
    sizes = found.ours.more["sizes"]
    series = {name: [(one["jobs"], one["took"][key]["p50"]) for one in sizes] for key, name in CURVES.items()}
    plot.draw(path, f"What a long queue costs: medians, {about['date']}, {about['cores']} cores", series)


def _take_signals() -> None:
    """Whoever ran this in the background has SIGINT ignored, which every program that is started here would inherit."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def _stop(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does: everything that was started is ended first."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
