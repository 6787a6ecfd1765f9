"""Clients that never read, or go while they wait: what is kept for them is bounded, and everybody else is served."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.daemon import MODULE, Daemon, serving
from tests.support.jobs import lasting, quick
from tests.support.load import MIB, SOON, Customer, packed
from tests.support.processes import eventually
from tests.support.wire import Dealer
from tests.support.zmtp import SUBSCRIBE_ALL, Peer

REPLIES = 32 * MIB
"""Bytes of replies that the daemon promises to keep for one client."""

WAITERS = 5_000
"""Replies that it promises to hold until a job ends."""

EVENTS = 3_000


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    with serving(slots=1, grace=0.3) as daemon:
        yield daemon


def customer(daemon: Daemon) -> Customer:
    """One who asks each of the daemon's parts for something."""
    return Customer(daemon, ("get", {"job_id": "a" * 16}), ("cancel", {"job_id": "b" * 16}), ("status", {}))


def test_a_subscriber_that_never_reads_costs_little_and_the_others_hear_all(daemon: Daemon) -> None:
    daemon.result("drain")
    job_id = daemon.submit(quick(daemon.out / "boosted.mp4"))["id"]
    polite = customer(daemon)
    with Peer(daemon.bus, b"SUB") as lazy, daemon.listener("job.") as listener:
        lazy.send(SUBSCRIBE_ALL)
        with Dealer(daemon.bus, daemon.running) as booster:
            for number in range(EVENTS):
                booster.send("boost", job_id=job_id, priority=number % 1000)
                if number % 300 == 0:
                    polite.ask()
            assert all(booster.receive()["ok"] for _ in range(EVENTS))
        polite.ask()
        last = daemon.result("status")["last_seq"]
        while listener.await_heartbeat()["data"]["last_seq"] < last:
            continue
        heard = [event["seq"] for event in listener.events(job_id)]
        print(polite.told())
        assert len(heard) == EVENTS
        assert heard == list(range(heard[0], heard[0] + EVENTS))
        assert max(polite.took) < SOON
        assert polite.grown < 64 * MIB


def test_replies_of_megabytes_that_nobody_reads_are_bounded(daemon: Daemon) -> None:
    """40 lists of 4 MB, and no byte of them is read."""
    daemon.result("drain")
    wide = {str(key): "x" * 1000 for key in range(60)}
    for number in range(70):
        daemon.submit(quick(daemon.out / f"wide-{number}.mp4", metadata=wide))
    size = len(repr(daemon.result("list")))
    assert size > 4 * MIB
    polite = customer(daemon)
    with Peer(daemon.bus) as glutton:
        glutton.send(*packed("list", [f"list-{number}" for number in range(40)]))
        for _ in range(40):
            polite.ask()
            daemon.result("list", limit=1)  # it stands behind the glutton's lists, one for one
        print(polite.told())
        assert max(polite.took) < SOON
        # One more is being made, packed and copied.
        assert polite.grown < REPLIES + 8 * size
        whole = [reply["re"] for reply in glutton.rest() if reply["re"].startswith("list")]
        assert 4 <= len(whole) < 40
        eventually(lambda: dropped(daemon) == 40 - len(whole), "the log tells how many were not taken")
        glutton.send(*packed("list", ["list-39"]))
        (again,) = glutton.replies(1)
        assert len(again["result"]["jobs"]) > 60


def dropped(daemon: Daemon) -> int:
    """Replies that were not taken, as the log has it."""
    return sum(line["count"] for line in daemon.log() if line["event"] == "reply_dropped")


def test_clients_that_vanish_while_they_wait_are_let_go_of(daemon: Daemon) -> None:
    job_id = daemon.underway(lasting(daemon.out / "waited-for.mp4"))
    polite = customer(daemon)
    more = 300
    for _ in range(2):
        with Peer(daemon.bus) as client:
            ids = [f"wait-{number}" for number in range(WAITERS + more)]
            client.send(*packed("get", ids, job_id=job_id, wait=3600))
            # Those that wait longest are told, so that the newest are held: nobody knows that the client will vanish.
            told = list(client.replies(more))
            assert [reply["error"]["code"] for reply in told[-more:]] == ["busy"] * more
        polite.ask()
    assert daemon.result("get", job_id=job_id, wait=0.1)["job"]["status"] == "processing"
    held = daemon.wire.send("get", job_id=job_id, wait=3600)
    polite.ask()
    print(polite.told())
    assert polite.grown < 64 * MIB
    daemon.result("cancel", job_id=job_id, wait=30)
    assert daemon.wire.reply_to(held)["result"]["job"]["status"] == "cancelled"
    assert max(polite.took) < SOON


def test_a_log_that_nobody_reads_holds_up_nobody(start: Callable[..., Daemon]) -> None:
    """Its stderr is a pipe of 64 kB, and what is to go there has a megabyte."""
    into_a_pipe = ("sh", "-c", 'mkfifo "$TEST_BASE/pipe" && exec "$@" 2<>"$TEST_BASE/pipe"', "sh")
    daemon = start(program=(*into_a_pipe, *MODULE))
    with Dealer(daemon.bus, daemon.running) as client:
        for _ in range(3000):
            client.send("cancel", job_id="a" * 16)
        assert {client.receive()["error"]["code"] for _ in range(3000)} == {"not_found"}
    assert daemon.finish(quick(daemon.out / "done.mp4"))["status"] == "completed"
    assert daemon.terminate() == 0
