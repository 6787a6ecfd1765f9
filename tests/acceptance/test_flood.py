"""A hundred thousand commands at once, commands that fill the inbox, and clients that never read their replies.

Everybody else is served as if nothing had been, and what the daemon keeps for those is bounded.
"""

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.jobs import quick
from tests.support.load import MIB, SOON, Customer, packed, pushing, stream
from tests.support.wire import Map
from tests.support.zmtp import Peer

CLIENTS = 4
EACH = 25_000
BACKLOG = 5_000
FLOOD_SECONDS = 60

INBOX = 32 * MIB
REPLIES = 32 * MIB
"""What the daemon promises to keep: commands for one actor, and replies for one client."""

DECODED = 4
"""How much larger a command is once it is decoded."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    """A daemon that starts nothing: what is submitted waits."""
    with serving(slots=1) as daemon:
        daemon.result("drain")
        yield daemon
        daemon.result("resume")


@pytest.fixture
def daemon(shared: Daemon) -> Iterator[Daemon]:
    """The module's; nothing is cleared in between, since nothing runs."""
    yield shared
    assert shared.running(), shared.stderr()


def heavy(daemon: Daemon, name: str) -> Map:
    """A job whose spec has 60 kB, and its view as much."""
    return quick(daemon.out / f"{name}.mp4", metadata={f"{key}": "x" * 1000 for key in range(60)})


def customer(daemon: Daemon) -> Customer:
    """One who asks each of the daemon's parts for something."""
    job_id = daemon.submit(quick(daemon.out / f"{daemon.result('status')['last_seq']}.mp4"))["id"]
    unknown = "a" * 16
    return Customer(
        daemon, ("get", {"job_id": job_id}), ("cancel", {"job_id": unknown}), ("status", {}), ("list", {"limit": 1})
    )


def test_a_hundred_thousand_commands_hold_up_nobody_and_each_gets_one_reply(daemon: Daemon) -> None:
    polite = customer(daemon)
    ids = [[f"{client}-{number}" for number in range(EACH)] for client in range(CLIENTS)]
    loads = []
    for client in range(CLIENTS):
        asked, nonsense = ids[client][: EACH * 4 // 5], ids[client][EACH * 4 // 5 :]
        loads.append(stream([*packed("status", asked), *packed("no such command", nonsense)]))
    peers = [Peer(daemon.bus) for _ in range(CLIENTS)]
    try:
        with pushing(FLOOD_SECONDS, *zip(peers, loads, strict=True)) as goes_on:
            while goes_on():
                polite.ask()
        for peer, own in zip(peers, ids, strict=True):
            codes: Counter[str] = Counter()
            answered: Counter[str] = Counter()
            for reply in peer.replies(EACH):
                answered[reply["re"]] += 1
                codes[code(reply)] += 1
            assert answered == Counter(own), "each command gets exactly one reply"
            assert codes["unsupported"] == EACH // 5
            assert codes["ok"] + codes["busy"] == EACH * 4 // 5
    finally:
        for peer in peers:
            peer.close()
    polite.ask()
    print(polite.told())
    assert max(polite.took) < SOON
    # Commands and replies of 100,000 have some 200 bytes each, and an object's head in Python.
    assert polite.grown < 128 * MIB


def test_a_backlog_of_others_is_not_waited_for(daemon: Daemon) -> None:
    """Two clients have the Queue work for seconds: whoever sends one command waits for a small part of that."""
    polite = customer(daemon)
    job_id = daemon.submit(quick(daemon.out / "boosted.mp4"))["id"]
    ids = [[f"backlog-{client}-{number}" for number in range(BACKLOG)] for client in range(2)]
    with Peer(daemon.bus) as one, Peer(daemon.bus) as two:
        loads = [
            (peer, stream(packed("boost", own, job_id=job_id, by=0))) for peer, own in zip((one, two), ids, strict=True)
        ]
        began = time.monotonic()
        with pushing(FLOOD_SECONDS, *loads) as goes_on:
            while goes_on():
                polite.ask()
        await_quiet(daemon, polite)
        whole = time.monotonic() - began
        for peer, own in zip((one, two), ids, strict=True):
            assert [reply["re"] for reply in peer.replies(BACKLOG)] == own, "one client's commands stay in order"
    print(polite.told(), f"of {whole:.1f} s")
    assert max(polite.took) < whole / 3


def test_who_fills_the_inbox_is_told_busy_and_what_was_dropped_is_had_by_a_resend(daemon: Daemon) -> None:
    """One who sends 54 MB of submits and does not read: some fit, some are told `busy`, some replies are dropped."""
    polite = customer(daemon)
    ids = [f"heavy-{number}" for number in range(900)]
    bodies = {one: next(packed("submit", [one], job=heavy(daemon, one))) for one in ids}
    before = daemon.result("status")["queued"]
    with Peer(daemon.bus) as flooder:
        with pushing(FLOOD_SECONDS, (flooder, stream(bodies.values()))) as goes_on:
            while goes_on():
                polite.ask()
        await_quiet(daemon, polite)
        came = flooder.rest()
        first = {reply["re"]: reply for reply in came}
        codes = Counter(code(reply) for reply in came)
        print(polite.told(), codes, f"{len(ids) - len(first)} dropped")
        assert len(came) == len(first), "no command gets two replies"
        assert max(polite.took) < SOON
        assert polite.grown < DECODED * INBOX + 2 * REPLIES
        assert set(codes) == {"ok", "busy"}
        assert len(first) < len(ids), "some replies were dropped"
        had = {one: reply for one, reply in first.items() if reply["ok"]}
        for one in [one for one in ids if one not in had]:
            flooder.send(bodies[one])
            (had[one],) = flooder.replies(1)
        jobs = {reply["result"]["job"]["id"] for reply in had.values()}
        assert len(jobs) == len(ids), "each was queued"
    assert daemon.result("status")["queued"] - before == len(ids), "and none twice"


def code(reply: Map) -> str:
    """How a command went."""
    return "ok" if reply["ok"] else str(reply["error"]["code"])


def await_quiet(daemon: Daemon, polite: Customer) -> None:
    """Ask on until the daemon has done what others have sent: it does one of theirs for one of ours."""
    seen = -1
    while (now := daemon.result("status")["last_seq"]) != seen:
        seen = now
        polite.ask()
