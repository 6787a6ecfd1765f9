"""What a crash costs: SIGKILL to whatever runs the encodes, then a restart, as a service manager would do it."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.bench.lineup import Bench
from tests.bench.ours import Rushes
from tests.bench.peers.base import WORKERS, Peer
from tests.bench.report import LEFT_OUT, Figure, Goal, Row, Table
from tests.bench.rows.honest import WATCH_SECONDS, FFmpegs, Task, play

KEY = "crash-honestly"

ENCODE_FOR = 3.0
"""Seconds of encoding that are there to be lost."""

LOOK_SECONDS = 0.1

CANCEL_SECONDS = 5.0
"""For the end of an FFmpeg that somebody still has in hand: twice the grace of Rushes' ladder, and some."""

HEAD = [
    "", "encodes", "encode on", "begun anew", "encoded twice at once", "not taken up", "orphans", "it says",
    "seconds of encoding lost",
]  # fmt: skip


def measure(bench: Bench) -> list[Row]:
    """Two encodes of each; what became of them within 5 s of the restart."""
    played, failed = play(bench, bench.peers, WORKERS, _watch)
    figures = {name: _figure(tasks) for name, tasks in played.items()}
    ours = figures.pop(Rushes.name)
    return [
        Row(
            key=KEY,
            what="crash, honestly",
            how=f"{WORKERS} encodes of each; SIGKILL to the workers after {ENCODE_FOR:g} s, a restart, "
            f"{WATCH_SECONDS:g} s of watching",
            ours=ours,
            peers=figures,
            failed=failed,
            goals=[Goal("none lost, orphaned or encoded twice", ours.value == 0)],
            tables=[Table("Crash, honestly: after SIGKILL and a restart of each one's workers", HEAD, _lines(played))],
            notes=[
                "an orphan is an FFmpeg of before the crash that runs on, and that a cancel afterwards does not end",
                f"not taken up: no FFmpeg works for it {WATCH_SECONDS:g} s after the restart, but for an orphan; some "
                "may be begun anew after a timeout of minutes or an hour",
            ],
        )
    ]


def _watch(bench: Bench, tasks: Sequence[Task]) -> None:
    time.sleep(max(0.0, max((task.at for task in tasks), default=0.0) + ENCODE_FOR - time.monotonic()))
    found = FFmpegs(bench.ffmpeg)
    for task in tasks:
        task.before = found.of(task)
    for step in (_kill, _restart):  # all are killed first, so that all have encoded for the same time
        for peer in _peers(tasks):
            _try(step, peer, [task for task in tasks if task.peer is peer])
    end = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < end:
        found = FFmpegs(bench.ffmpeg)
        for task in tasks:
            task.after = found.of(task)
            task.most = max(task.most, len(task.after))
        time.sleep(LOOK_SECONDS)
    _find_orphans(bench, tasks)


def _kill(peer: Peer, tasks: Sequence[Task]) -> None:
    peer.kill_workers()
    for task in tasks:
        task.encoded = time.monotonic() - task.at


def _restart(peer: Peer, _tasks: Sequence[Task]) -> None:
    peer.restart_workers()


def _try(step: Callable[[Peer, Sequence[Task]], None], peer: Peer, tasks: Sequence[Task]) -> None:
    """One with which that cannot be done takes no further part."""
    if any(task.trouble for task in tasks):
        return
    trouble = ""
    try:
        step(peer, tasks)
    except NotImplementedError:
        trouble = "has no worker that could be killed: it is a part of this program"
    except Exception as error:  # noqa: BLE001 # the others go on
        trouble = f"failed: {type(error).__name__}: {error}"
    for task in tasks:
        task.trouble = trouble


def _find_orphans(bench: Bench, tasks: Sequence[Task]) -> None:
    """Who runs on of before the crash, and is in nobody's hand any more."""
    for task in tasks:
        task.says = task.ask()
        task.cancel()
    time.sleep(CANCEL_SECONDS)
    found = FFmpegs(bench.ffmpeg)
    for task in tasks:
        task.orphaned = bool(task.before & task.after & found.of(task))


def _peers(tasks: Sequence[Task]) -> list[Peer]:
    return list({id(task.peer): task.peer for task in tasks}.values())


def _goes_on(task: Task) -> bool:
    """True where its encode of before the crash runs on, in its manager's hand."""
    return bool(task.before & task.after) and not task.orphaned


def _anew(task: Task) -> bool:
    return bool(task.after - task.before)


def _lost_seconds(task: Task) -> float:
    return 0.0 if _goes_on(task) else task.encoded


def _figure(tasks: Sequence[Task]) -> Figure:
    """The value is everything that should not be, added up."""
    orphans = sum(task.orphaned for task in tasks)
    twice = sum(task.most > 1 for task in tasks)
    lost = sum(not _goes_on(task) and not _anew(task) for task in tasks)
    seconds = sum(map(_lost_seconds, tasks))
    text = f"{orphans} orphans, {twice} twice, {lost} not taken up, {seconds:.0f} s lost"
    more = {"orphans": orphans, "twice": twice, "not_taken_up": lost, "seconds_lost": seconds}
    return Figure(orphans + twice + lost + seconds, text, more)


def _lines(played: dict[str, list[Task]]) -> list[list[str]]:
    lines = []
    for name, tasks in played.items():
        more = _figure(tasks).more
        said = Counter(task.says for task in tasks)
        lines.append([
            name, str(len(tasks)),
            str(sum(map(_goes_on, tasks))), str(sum(map(_anew, tasks))),
            str(more["twice"]), str(more["not_taken_up"]), str(more["orphans"]),
            ", ".join(f"{count} × {words}" for words, count in said.items()),
            f"{more['seconds_lost']:.1f}",
        ])  # fmt: skip
    return lines or [[LEFT_OUT] * len(HEAD)]
