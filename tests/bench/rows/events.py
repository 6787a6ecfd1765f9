"""What the delivery of events costs the daemon, and whether one who does not read them costs anybody else."""

from typing import NamedTuple

from tests.bench.lineup import Bench
from tests.bench.measure import Clock, Spread, cpu_seconds
from tests.bench.ours import Rushes, pipeline, submits
from tests.bench.report import LEFT_OUT, Figure, Goal, Row, Table, milliseconds
from tests.bench.stub import commands
from tests.bench.swarm import swarm
from tests.support.jobs import lasting
from tests.support.wire import Map

KEY = "events"

SUBSCRIBERS = (0, 1, 10, 100)
SUBMITS = 5000

SINGLES = 1000

UNREAD = 22_000
"""Events for one who does not read: more than the daemon keeps for him (20,000)."""

GOAL_RATE = 10_000

SURE = 0.2
"""Of the submits' own CPU: a difference that is smaller may be chance."""

SAME = 1.25
"""Within which two medians of the same thing agree on a machine that does other work, too."""


class Delivered(NamedTuple):
    """What so many subscribers got. `least`: by the one who got least."""

    subscribers: int
    submits: int
    deliveries: int
    least: int
    cpu: float

    @property
    def rate(self) -> float:
        """Deliveries for each second of the daemon's CPU, all of its work for the submits included."""
        return self.deliveries / self.cpu


def measure(bench: Bench) -> list[Row]:
    """Two encodes run meanwhile and report their progress; the submits of queued jobs are the durable events."""
    found: list[Delivered] = []
    with bench.taking_part(Rushes, bench.ffmpeg, 2) as peer:
        assert isinstance(peer, Rushes), "it was made from that class"
        out = bench.room("out")
        for number in range(2):
            peer.daemon.rendering(lasting(out / f"runs-{number}.mkv"))
        peer.daemon.result("drain")
        for subscribers in SUBSCRIBERS:
            bench.say(f"    {subscribers} subscribers")
            found.append(_deliver(bench, peer, subscribers))
        bench.say("    one who does not read")
        alone, beside = _beside_a_deaf_one(bench, peer)
    without = found[0].cpu / found[0].submits
    rates = {one.subscribers: one.rate for one in found if one.subscribers}
    worst = min(rates.values())
    told = ", ".join(f"{subscribers}: {value:,.0f}/s" for subscribers, value in rates.items())
    ratio = beside.p50 / alone.p50
    return [
        Row(
            key=KEY,
            what="events",
            how=f"{bench.count(SUBMITS):,} submits, pipelined, heard by 1, 10 and 100 subscribers while two encodes "
            "report their progress; deliveries for each second of the daemon's CPU, the submits' own included",
            ours=Figure(worst, f"{told} a core", {"delivered": [one._asdict() for one in found]}),
            goals=[
                Goal(f"≥ {GOAL_RATE:,}/s a core", worst >= GOAL_RATE),
                Goal("no reader delays a command", ratio <= SAME),
            ],
            tables=[Table("Events: deliveries for each second of the daemon's CPU", HEAD, _lines(found, without))],
            notes=[
                "with one subscriber each delivery has a whole submit behind it, whose CPU is counted, too",
                f"a submit takes {milliseconds(alone.p50)} / {milliseconds(alone.p99)}, and beside a subscriber that "
                f"has left {bench.count(UNREAD):,} events unread {milliseconds(beside.p50)} / "
                f"{milliseconds(beside.p99)}",
            ],
        )
    ]


HEAD = ["subscribers", "submits", "deliveries", "missed by the worst", "CPU", "a core", "without the submits' own CPU"]


def _lines(found: list[Delivered], without: float) -> list[list[str]]:
    lines = []
    for one in found:
        more = one.cpu - without * one.submits
        missed = max(0, one.submits - one.least) if one.subscribers else 0
        net = f"{one.deliveries / more:,.0f}/s" if more > without * one.submits * SURE else LEFT_OUT
        lines.append([
            str(one.subscribers), f"{one.submits:,}", f"{one.deliveries:,}", str(missed), f"{one.cpu:.2f} s",
            f"{one.rate:,.0f}/s", net,
        ])  # fmt: skip
    return lines


def _submits(bench: Bench, count: int) -> list[bytes]:
    out = bench.room("out")
    return submits(commands(bench.stub.path, out / "stamps", out, count))


def _deliver(bench: Bench, peer: Rushes, subscribers: int) -> Delivered:
    ready = _submits(bench, bench.count(SUBMITS))
    heard: Map = {"deliveries": 0, "least": 0}
    with swarm("listen", peer.daemon.bus, subscribers) as listeners, pipeline(peer.daemon.bus) as pipe:
        before = cpu_seconds(peer.daemon.pid)
        pipe.run(ready)
        heard = listeners.end()
        used = cpu_seconds(peer.daemon.pid) - before
    return Delivered(subscribers, len(ready), heard["deliveries"], heard["least"], used)


def _beside_a_deaf_one(bench: Bench, peer: Rushes) -> tuple[Spread, Spread]:
    """What a submit takes: alone (before and after), and beside one that reads nothing."""
    before = _singles(bench, peer)
    with swarm("deaf", peer.daemon.bus), pipeline(peer.daemon.bus) as pipe:
        pipe.run(_submits(bench, bench.count(UNREAD)))
        beside = _singles(bench, peer)
    return Spread.of(before + _singles(bench, peer)), Spread.of(beside)


def _singles(bench: Bench, peer: Rushes) -> list[float]:
    clock = Clock()
    out = bench.room("out")
    for argv in commands(bench.stub.path, out / "stamps", out, bench.count(SINGLES)):
        with clock.one():
            peer.submit(argv)
    return clock.took
