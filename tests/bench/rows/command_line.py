"""What it takes until a command line has said what it has to say."""

import subprocess
import sys
from pathlib import Path

from tests.bench.lineup import Bench
from tests.bench.measure import Clock
from tests.bench.ours import Rushes
from tests.bench.peers.base import WORKERS
from tests.bench.report import Goal, Row, latency
from tests.support.daemon import clean_environment

KEY = "command-line"

RUNS = 20

IMPORTS = [sys.executable, "-c", "import zmq, msgpack"]
"""The least that a program in Python can do before it sends a command."""

GOAL_TIMES = 2


def measure(bench: Bench) -> list[Row]:
    """Both in turn, whole processes."""
    ours, floor = Clock(), Clock()
    with bench.taking_part(Rushes, bench.stub.path, WORKERS) as peer:
        assert isinstance(peer, Rushes), "it was made from that class"
        status = [str(Path(sys.executable).parent / "rushes"), "status", "--bus", peer.daemon.bus]
        for clock, argv in ((ours, status), (floor, IMPORTS)):
            _run(argv)  # what the disk has to bring is brought
            clock.took.clear()
        for _ in range(RUNS):
            for clock, argv in ((ours, status), (floor, IMPORTS)):
                with clock.one():
                    _run(argv)
    figure, least = latency(ours.spread()), latency(floor.spread())
    return [
        Row(
            key=KEY,
            what="command line",
            how=f"`rushes status`, {RUNS} times in turn with `python -c 'import zmq, msgpack'`, whole processes",
            ours=figure,
            floor=least,
            goals=[Goal(f"≤ {GOAL_TIMES} × the imports", figure.value <= GOAL_TIMES * least.value)],
        )
    ]


def _run(argv: list[str]) -> None:
    subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, env=clean_environment()
    )  # fmt: skip
