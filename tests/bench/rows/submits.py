"""What it takes to have a job on disk: many at once from one client, and one at a time. Nothing runs meanwhile."""

from typing import NamedTuple

from tests.bench.lineup import Bench
from tests.bench.measure import Clock, Spread
from tests.bench.ours import Rushes
from tests.bench.peers.base import Peer
from tests.bench.report import Figure, Goal, Row, best_of, latency, rate

MANY = "submits"
SINGLE = "submit"

PIPELINED = 20_000
SINGLES = 5000

PEER_SECONDS = 2.0
"""After which a peer has shown what it can, and is measured over fewer submits."""

TRIAL = 300
"""Submits by which a peer's speed is guessed, and its client warmed up."""

GOAL_RATE = 10_000
GOAL_P50 = 0.0005
GOAL_TIMES = 2


class Submits(NamedTuple):
    """What was measured of one."""

    many: Figure
    single: Spread


def measure(bench: Bench) -> list[Row]:
    """Both rows: they share the daemon or broker, so that it is started once."""
    found, failed = bench.each([Rushes, *bench.peers], lambda cls: _measure(bench, cls))
    ours = found.pop(Rushes.name)
    syncing = [cls.name for cls in bench.peers if cls.syncs and cls.name in found]
    return [_many(bench, ours, found, syncing, failed), _single(bench, ours, found, syncing, failed)]


def _measure(bench: Bench, cls: type[Peer]) -> Submits:
    """A peer is measured for so many seconds at the most, Rushes over the whole count."""
    seconds = float("inf") if cls is Rushes else PEER_SECONDS
    singles, many = bench.count(SINGLES), bench.count(PIPELINED)
    _, commands = bench.stub.commands(bench.room("out"), singles + TRIAL + many)
    with bench.taking_part(cls, bench.stub.path, 0) as peer:
        clock = Clock()
        for argv in commands[:singles]:
            with clock.one():
                peer.submit(argv)
            if clock.total > seconds:
                break
        trial = Clock()
        with trial.one():
            peer.submit_many(commands[singles : singles + TRIAL])
        if cls is not Rushes:
            many = max(TRIAL, min(many, int(TRIAL / trial.total * seconds)))
        timed = Clock()
        with timed.one():
            peer.submit_many(commands[singles + TRIAL : singles + TRIAL + many])
    return Submits(rate(many, timed.total), clock.spread())


def _many(bench: Bench, ours: Submits, found: dict[str, Submits], syncing: list[str], failed: dict[str, str]) -> Row:
    peers = {name: one.many for name, one in found.items()}
    best = best_of(peers, most=True, among=syncing)
    twice = None if best is None else ours.many.value >= GOAL_TIMES * peers[best].value
    fastest = best_of(peers, most=True)
    return Row(
        key=MANY,
        what="durable submits, pipelined",
        how=f"{bench.count(PIPELINED):,} from one client, each on disk before its ok; peers for {PEER_SECONDS:g} s",
        ours=ours.many,
        peers=peers,
        failed=failed,
        best=best,
        goals=[
            Goal(f"≥ {GOAL_RATE:,}/s", ours.many.value >= GOAL_RATE),
            Goal(f"≥ {GOAL_TIMES} × the best that syncs", twice),
        ],
        notes=[
            'every job says `verify: "none"`, since what the stub makes is no film',
            "RQ hands over all of them in one transaction, of which nothing is acknowledged before the end",
            f"the fastest of all, syncing or not: {fastest} with {peers[fastest].text}" if fastest else "no peer ran",
        ],
    )


def _single(bench: Bench, ours: Submits, found: dict[str, Submits], syncing: list[str], failed: dict[str, str]) -> Row:
    peers = {name: latency(one.single) for name, one in found.items()}
    below = all(ours.single.p99 < found[name].single.p99 for name in syncing) if syncing else None
    return Row(
        key=SINGLE,
        what="durable submit, one at a time",
        how=f"{bench.count(SINGLES):,}, each sent when the one before is answered; peers for {PEER_SECONDS:g} s",
        ours=latency(ours.single),
        peers=peers,
        failed=failed,
        best=best_of(peers, most=False, among=syncing),
        goals=[
            Goal(f"p50 ≤ {GOAL_P50 * 1000:g} ms", ours.single.p50 <= GOAL_P50),
            Goal("p99 below every peer that syncs", below),
        ],
        notes=["the best peer is the best of those that sync"],
    )
