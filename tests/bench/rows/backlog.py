"""What a long queue costs: the same things at 1,000 and at a million queued jobs."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.bench.lineup import Bench
from tests.bench.measure import Clock, Spread
from tests.bench.ours import Rushes, job
from tests.bench.plant import PATTERN, ids_of, plant
from tests.bench.report import Figure, Goal, Row, Table, latency, milliseconds
from tests.bench.stub import commands
from tests.support.load import memory
from tests.support.wire import Map

KEY = "backlog"

SIZES = (1000, 10_000, 100_000, 1_000_000)
QUICK_SIZES = SIZES[:2]

SAMPLES = 200
"""Of each command, at each size."""

RESTARTS = 3

SEED = 4
"""Of the ids and of the jobs that are asked about: every run has the same."""

GOAL_TIMES = 2.0
GOAL_POSITION = 0.020
GOAL_READY = 2.0
GOAL_RSS = 200_000_000

READY = "restart to ready"
POSITION = "get, with position"
LIST = "list, first page"


class Size(NamedTuple):
    """What was measured with so many jobs queued. `rss`: bytes in memory after all of it."""

    jobs: int
    took: dict[str, Spread]
    rss: int


def measure(bench: Bench) -> list[Row]:
    """From the shortest queue to the longest, in one data folder."""
    found: list[Size] = []
    with bench.taking_part(Rushes, bench.stub.path, 0) as peer:
        assert isinstance(peer, Rushes), "it was made from that class"
        out = bench.room("out")
        first = commands(bench.stub.path, out / "stamps", out, 1, PATTERN[:-1])[0]
        peer.daemon.submit(job(first), id=f"plant-{PATTERN}")
        for size in QUICK_SIZES if bench.quick else SIZES:
            bench.say(f"    {size:,} jobs")
            peer.daemon.terminate()
            fresh = plant(peer.daemon.data, size, SEED)
            found.append(_measure(bench, peer, size, fresh))
    return [_row(found)]


def _measure(bench: Bench, peer: Rushes, size: int, fresh: range) -> Size:
    daemon = peer.daemon
    restarts = Clock()
    for _ in range(RESTARTS):
        with restarts.one():
            daemon.start()
        daemon.terminate()
    ids = ids_of(daemon.data, random.Random(SEED).sample(fresh, 3 * SAMPLES))
    out = bench.room("out")
    new = [job(argv) for argv in commands(bench.stub.path, out / "stamps", out, SAMPLES)]
    daemon.start()
    return Size(
        size,
        {
            "submit": _each(new, lambda spec: daemon.result("submit", job=spec)),
            "boost": _each(ids[:SAMPLES], lambda job_id: daemon.result("boost", job_id=job_id, front=True)),
            "cancel": _each(ids[SAMPLES : 2 * SAMPLES], lambda job_id: daemon.result("cancel", job_id=job_id)),
            LIST: _each(range(SAMPLES), lambda _: daemon.result("list")),
            "list, first page by queue": _each(range(SAMPLES), lambda _: daemon.result("list", order="queue")),
            POSITION: _each(ids[2 * SAMPLES :], lambda job_id: _placed(daemon.result("get", job_id=job_id))),
            READY: restarts.spread(),
        },
        memory(daemon.pid),
    )


def _each(things: Any, ask: Callable[[Any], object]) -> Spread:
    clock = Clock()
    for thing in things:
        with clock.one():
            ask(thing)
    return clock.spread()


def _placed(result: Map) -> None:
    assert result["job"]["position"], "a queued job has a position"


def _row(found: list[Size]) -> Row:
    small, large = found[0], found[-1]
    ratios = {name: large.took[name].p50 / small.took[name].p50 for name in small.took if name != READY}
    worst = max((name for name in ratios if name != POSITION), key=lambda name: ratios[name])
    near = ratios[POSITION] <= GOAL_TIMES or large.took[POSITION].p50 <= GOAL_POSITION
    ready = large.took[READY].p50
    text = f"{worst} {ratios[worst]:.2f} ×, ready in {ready:.2f} s, {large.rss / 1e6:.0f} MB"
    more = {
        "sizes": [
            {"jobs": one.jobs, "rss": one.rss, "took": {name: took._asdict() for name, took in one.took.items()}}
            for one in found
        ]
    }
    return Row(
        key=KEY,
        what=f"{large.jobs:,} queued jobs",
        how=f"each command {SAMPLES} times, one at a time, against {small.jobs:,} jobs; {RESTARTS} restarts",
        ours=Figure(ratios[worst], text, more),
        goals=[
            Goal(f"each ≤ {GOAL_TIMES:g} × of {small.jobs:,}", ratios[worst] <= GOAL_TIMES),
            Goal(f"position ≤ {GOAL_POSITION * 1000:g} ms", near),
            Goal(f"ready ≤ {GOAL_READY:g} s", ready <= GOAL_READY),
            Goal(f"≤ {GOAL_RSS / 1e6:.0f} MB", large.rss <= GOAL_RSS),
        ],
        notes=["the boost is one to the front; all but a few hundred jobs are planted into the stopped daemon's store"],
        tables=[
            Table("What a long queue costs (p50 / p99)", ["", *(f"{one.jobs:,}" for one in found), "×"], _lines(found))
        ],
    )


def _lines(found: list[Size]) -> list[list[str]]:
    lines = []
    for name in found[0].took:
        ratio = found[-1].took[name].p50 / found[0].took[name].p50
        cells = [milliseconds(one.took[name].p50) if name == READY else latency(one.took[name]).text for one in found]
        lines.append([name, *cells, f"{ratio:.2f}"])
    memory_cells = [f"{one.rss / 1e6:.0f} MB" for one in found]
    return [*lines, ["memory", *memory_cells, f"{found[-1].rss / found[0].rss:.2f}"]]
