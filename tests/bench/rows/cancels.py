"""Who says "cancelled", and whether it is so: each one's own cancel of a real encode."""

import time
from collections import Counter
from collections.abc import Sequence

from tests.bench.lineup import Bench
from tests.bench.ours import Rushes
from tests.bench.report import LEFT_OUT, Figure, Goal, Row, Table
from tests.bench.rows.honest import WATCH_SECONDS, FFmpegs, Task, play

KEY = "cancel-honestly"

RUNS = 10

ENCODE_FOR = 1.0
"""Seconds for which an encode has run when it is cancelled: there is a file by then."""

TRUE = "cancelled"
"""What Rushes is to say."""


def measure(bench: Bench) -> list[Row]:
    """10 encodes of each, side by side, cancelled, and looked at after 5 s."""
    runs = 2 if bench.quick else RUNS
    played, failed = play(bench, bench.cancelling, runs, _watch)
    figures = {name: _figure(tasks) for name, tasks in played.items()}
    ours = figures.pop(Rushes.name)
    mine = played[Rushes.name]
    true = all(task.gone and task.says == TRUE and not task.left for task in mine)
    return [
        Row(
            key=KEY,
            what="cancel, honestly",
            how=f"{runs} running encodes of each, cancelled by its own means; what is true {WATCH_SECONDS:g} s later",
            ours=ours,
            peers=figures,
            failed=failed,
            goals=[Goal(f"{runs} of {runs} gone, said truly, nothing left", true)],
            tables=[Table(f"Cancel, honestly: {WATCH_SECONDS:g} s after each one's own cancel", HEAD, _lines(played))],
        )
    ]


HEAD = ["", "encodes cancelled", "FFmpeg gone", "FFmpeg runs on", "it says", "left on disk"]


def _watch(bench: Bench, tasks: Sequence[Task]) -> None:
    time.sleep(ENCODE_FOR)
    for task in tasks:
        task.says = task.cancel() or ""
        task.at = time.monotonic()
    for task in tasks:
        time.sleep(max(0.0, task.at + WATCH_SECONDS - time.monotonic()))
        task.says = task.says or task.ask()
        task.gone = not FFmpegs(bench.ffmpeg).of(task)
        task.left = task.files()


def _figure(tasks: Sequence[Task]) -> Figure:
    gone = sum(task.gone for task in tasks)
    return Figure(gone, f"{gone} of {len(tasks)} gone", {"runs": [_told(task) for task in tasks]})


def _told(task: Task) -> dict[str, object]:
    return {"gone": task.gone, "says": task.says, "left": task.left}


def _lines(played: dict[str, list[Task]]) -> list[list[str]]:
    lines = []
    for name, tasks in played.items():
        said = Counter(f"{task.says}{'' if task.gone else ' while it runs on'}" for task in tasks)
        gone = sum(task.gone for task in tasks)
        left = sum(len(task.left) for task in tasks)
        lines.append([
            name, str(len(tasks)), str(gone), str(len(tasks) - gone),
            ", ".join(f"{count} × {words}" for words, count in said.items()),
            f"{left} files" if left else "nothing",
        ])  # fmt: skip
    return lines or [[LEFT_OUT] * len(HEAD)]
