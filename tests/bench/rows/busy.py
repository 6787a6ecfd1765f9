"""What a command takes while the daemon is busy with others' submits, and others listen to all of it."""

from itertools import count

from tests.bench.lineup import Bench
from tests.bench.measure import Clock
from tests.bench.ours import Rushes, pipeline, submits
from tests.bench.report import Goal, Row, latency, milliseconds
from tests.bench.stub import commands
from tests.bench.swarm import swarm

KEY = "busy"

RATE = 5000
SECONDS = 5.0
LISTENERS = 20

QUEUED = 3000
"""Jobs that are there to be cancelled; more than can be asked for one after the other in that time."""

GOAL = 0.020


def measure(bench: Bench) -> list[Row]:
    """Rushes alone: the figure is about its own promise."""
    seconds = 1.0 if bench.quick else SECONDS
    out = bench.room("out")
    cancels, gets = Clock(), Clock()
    with bench.taking_part(Rushes, bench.stub.path, 0) as peer:
        assert isinstance(peer, Rushes), "it was made from that class"
        daemon = peer.daemon
        with pipeline(daemon.bus) as pipe:
            pipe.run(submits(commands(bench.stub.path, out / "stamps", out, QUEUED)))
            ids = [result["job"]["id"] for result in pipe.results]
        listening = swarm("listen", daemon.bus, LISTENERS)
        submitting = swarm("submit", daemon.bus, RATE, seconds, bench.stub.path, out)
        with listening as listeners, submitting as submitter:
            for number in count():
                job_id = ids[number % len(ids)]
                with gets.one():
                    daemon.result("get", job_id=job_id)
                with cancels.one():
                    daemon.result("cancel", job_id=job_id)
                if submitter.is_done():
                    break
            came = submitter.end()
            heard = listeners.end()
    figures = {"cancel": cancels.spread(), "get": gets.spread()}
    rate = came["count"] / came["seconds"]
    worst = max(figures.values(), key=lambda spread: spread.p99)
    ours = latency(worst)
    ours.more.update({name: spread._asdict() for name, spread in figures.items()}, came=came, heard=heard)
    told = ", ".join(f"`{name}` {milliseconds(one.p50)} / {milliseconds(one.p99)}" for name, one in figures.items())
    return [
        Row(
            key=KEY,
            what="commands while busy",
            how=f"`cancel` and `get` of queued jobs, the slower of both, while {RATE:,} submits/s are sent for "
            f"{seconds:g} s and {LISTENERS} subscribers listen",
            ours=ours,
            goals=[Goal(f"p99 ≤ {GOAL * 1000:g} ms", worst.p99 <= GOAL)],
            notes=[
                f"{told}, {gets.spread().times} of each; {rate:,.0f} submits/s were answered, and "
                f"{heard['deliveries'] / came['seconds']:,.0f} events/s delivered",
                "submitter, listeners, daemon and this client share the machine's cores",
            ],
        )
    ]
