"""What a manager adds to a child: until its first instruction, and to many of them, one after the other."""

import time
from pathlib import Path
from typing import NamedTuple

from tests.bench.lineup import Bench
from tests.bench.measure import Clock, Spread
from tests.bench.ours import Rushes
from tests.bench.peers.base import WORKERS, Peer
from tests.bench.report import Figure, Goal, Row, best_of, latency, milliseconds
from tests.bench.stub import begun, last_beginning

START = "start"
OVERHEAD = "overhead"

STARTS = 200
JOBS = 1000

PEER_SECONDS = 2.5
"""After which a peer has shown what it can, and is measured over fewer jobs."""

TRIAL = 20
"""Jobs by which a peer's speed is guessed, and its workers warmed up."""

SETTLE_SECONDS = 0.01
"""After a job's end, so that the next submit finds everything idle."""

LOOK_SECONDS = 0.001
"""Between two looks whether a child has begun; it notes the moment itself."""

PATIENCE = 60.0
"""For jobs that take a second or two; a peer that takes longer has failed."""

GOAL_START = 0.003
GOAL_FLOORS = 3

FLOOR = "PopenLoop"
"""The class that is the floor here."""


class Work(NamedTuple):
    """What was measured of one. `job`: seconds from the first submit to the last end, for each job."""

    start: Spread
    job: Figure


def measure(bench: Bench) -> list[Row]:
    """Both rows: they share the workers, so that they are started once."""
    found, failed = bench.each([Rushes, *bench.floors, *bench.peers], lambda cls: _measure(bench, cls))
    ours = found.pop(Rushes.name)
    floor = next((found.get(cls.name) for cls in bench.floors if cls.__name__ == FLOOR), None)
    peers = [cls.name for cls in bench.peers if cls.name in found]
    return [_start(bench, ours, floor, found, peers, failed), _overhead(bench, ours, floor, found, peers, failed)]


def _measure(bench: Bench, cls: type[Peer]) -> Work:
    starts, jobs = bench.count(STARTS), bench.count(JOBS)
    stamps, commands = bench.stub.commands(bench.room("out"), starts + TRIAL + jobs)
    with bench.taking_part(cls, bench.stub.path, WORKERS) as peer:
        trial = _run_all(peer, stamps, commands[:TRIAL])
        if cls is not Rushes:
            jobs = max(TRIAL, min(jobs, int(TRIAL / trial * PEER_SECONDS)))
        latencies = _starts(peer, stamps, commands[TRIAL : TRIAL + starts])
        took = _run_all(peer, stamps, commands[TRIAL + starts : TRIAL + starts + jobs])
    each = Figure(took / jobs, milliseconds(took / jobs), {"count": jobs, "seconds": took})
    return Work(Spread.of(latencies), each)


def _starts(peer: Peer, stamps: Path, commands: list[list[str]]) -> list[float]:
    """Seconds from the submit to the child's first instruction, one job at a time."""
    took = []
    whole = Clock()
    for argv in commands:
        with whole.one():
            before = begun(stamps)
            sent = time.monotonic()
            task = peer.submit(argv)
            _await_begun(stamps, before + 1)
            took.append(last_beginning(stamps) - sent)
            assert peer.wait([task], PATIENCE), f"a job of a moment has not ended within {PATIENCE:g} s"
            time.sleep(SETTLE_SECONDS)
        if whole.total > PEER_SECONDS and not isinstance(peer, Rushes):
            break
    return took


def _run_all(peer: Peer, stamps: Path, commands: list[list[str]]) -> float:
    """Seconds for all of them. Rushes' are over when it says so of the last, a peer's when the last child has begun."""
    if isinstance(peer, Rushes):
        return peer.run_all(commands)
    clock = Clock()
    with clock.one():
        before = begun(stamps)
        peer.submit_many(commands)
        _await_begun(stamps, before + len(commands))
    return clock.total


def _await_begun(stamps: Path, count: int) -> None:
    end = time.monotonic() + PATIENCE
    while begun(stamps) < count:
        assert time.monotonic() < end, f"{count - begun(stamps)} children have not begun within {PATIENCE:g} s"
        time.sleep(LOOK_SECONDS)


def _start(
    bench: Bench, ours: Work, floor: Work | None, found: dict[str, Work], peers: list[str], failed: dict[str, str]
) -> Row:
    below = all(ours.start.p50 < found[name].start.p50 for name in peers) if peers else None
    figures = {name: latency(one.start) for name, one in found.items()}
    exact = [] if bench.stub.is_exact else ["there is no C compiler here: the stub's clock ticks every 10 ms"]
    return Row(
        key=START,
        what="start latency, idle",
        how=f"{bench.count(STARTS)} times, submit to the child's first instruction; peers for {PEER_SECONDS:g} s",
        ours=latency(ours.start),
        floor=latency(floor.start) if floor else None,
        peers=figures,
        failed=failed,
        best=best_of(figures, most=False, among=peers),
        goals=[
            Goal(f"p50 ≤ {GOAL_START * 1000:g} ms", ours.start.p50 <= GOAL_START),
            Goal("below every peer", below),
        ],
        notes=exact,
    )


def _overhead(
    bench: Bench, ours: Work, floor: Work | None, found: dict[str, Work], peers: list[str], failed: dict[str, str]
) -> Row:
    figures = {name: one.job for name, one in found.items()}
    faster = all(ours.job.value < found[name].job.value for name in peers) if peers else None
    near = ours.job.value <= GOAL_FLOORS * floor.job.value if floor else None
    return Row(
        key=OVERHEAD,
        what="a job's overhead",
        how=f"{bench.count(JOBS):,} stub jobs, {WORKERS} at a time: the time of all, divided by their number; "
        f"peers for {PEER_SECONDS:g} s",
        ours=ours.job,
        floor=floor.job if floor else None,
        peers=figures,
        failed=failed,
        best=best_of(figures, most=False, among=peers),
        goals=[Goal(f"≤ {GOAL_FLOORS} × the Popen loop", near), Goal("faster than every peer", faster)],
        notes=[
            "Rushes from the first submit to the last `job.completed` heard, every change and event on disk; "
            "a peer to the last child's beginning",
            'the jobs say `verify: "none"`; every output is still synced',
        ],
    )
