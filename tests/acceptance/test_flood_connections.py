"""Connections by the thousand: they leave no descriptor, and where there are too few, the daemon goes on."""

import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
import zmq

from tests.support.daemon import MODULE, Daemon, serving
from tests.support.jobs import quick
from tests.support.load import MIB, SOON, Customer, descriptors, packed
from tests.support.ports import free_pair
from tests.support.processes import eventually
from tests.support.scrape import scrape
from tests.support.wire import Dealer, sockets_of
from tests.support.zmtp import Peer

BATCH = 500
BATCHES = 18
MESSAGING = 1_000
"""18 x 500 connections made by hand, and a thousand of ZeroMQ's own sockets: ten thousand."""

FEW, SOME, MANY = 128, 512, 8192
"""Limits of descriptors."""


@pytest.fixture(scope="module", params=["ipc", "tcp"])
def shared(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    with serving(slots=1, bus=f"tcp://127.0.0.1:{free_pair()}" if request.param == "tcp" else None) as daemon:
        yield daemon


@pytest.fixture
def own_descriptors() -> Iterator[None]:
    """This process has as many as it may."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def customer(daemon: Daemon) -> Customer:
    return Customer(daemon, ("get", {"job_id": "a" * 16}), ("cancel", {"job_id": "b" * 16}), ("status", {}))


def flood(daemon: Daemon, stack: ExitStack) -> None:
    for _ in range(MANY):
        with suppress(OSError):  # cut off while it says hello
            stack.enter_context(Peer(daemon.bus, greets=False))


def test_ten_thousand_connections_that_come_and_go_leave_no_descriptor(daemon: Daemon) -> None:
    polite = customer(daemon)
    polite.ask()
    before = descriptors(daemon.pid)
    commands, events = (b"DEALER", b"SUB")
    for number in range(BATCHES):
        with ExitStack() as stack:
            for one in range(BATCH):
                # Some have shaken hands when they go, some were about to, some have asked and do not wait.
                peer = stack.enter_context(Peer(daemon.bus, commands if one % 3 else events, greets=one % 5 == 0))
                if one % 5 == 0 and one % 3:
                    peer.send(*packed("status", [f"{number}-{one}"]))
        polite.ask()
    with zmq.Context() as context:
        for one in range(MESSAGING):
            dealer = context.socket(zmq.DEALER)
            dealer.linger = 0
            dealer.connect(sockets_of(daemon.bus)[0])
            if one % 10 == 0:
                dealer.send(next(packed("status", [str(one)])))
                assert dealer.poll(10_000)
            dealer.close()
    eventually(lambda: descriptors(daemon.pid) <= before, "every descriptor is given back")
    polite.ask()
    print(polite.told())
    assert max(polite.took) < SOON
    assert polite.grown < 64 * MIB
    assert daemon.finish(quick(daemon.out / f"{before}.mp4", overwrite=True))["status"] == "completed"


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_more_connections_than_descriptors_bring_nothing_down(start: Callable[..., Daemon], transport: str) -> None:
    """At most as many are let in as leave some descriptors to the daemon; who was there before is served."""
    limited = ("sh", "-c", f'ulimit -Sn {FEW} && ulimit -Hn {SOME} && exec "$@"', "sh")
    bus = f"tcp://127.0.0.1:{free_pair()}" if transport == "tcp" else None
    daemon = start(program=(*limited, *MODULE), bus=bus, metrics_port=free_pair())
    assert resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE) == (SOME, SOME), "it takes all that it may have"
    held = daemon.wire.send("submit", job=quick(daemon.out / "among-many.mp4"), wait=30)
    with ExitStack() as stack:
        for number in range(SOME):
            with suppress(OSError):
                stack.enter_context(Peer(daemon.bus, greets=False))
            if number % 20 == 0:
                assert daemon.ask("status")["ok"], "it has seen them come, and who was there before is served"
        assert "connections_refused" in daemon.stderr()
        assert FEW < descriptors(daemon.pid) < SOME
        assert scrape(daemon)("rushes_connections_refused_total") > 0
    assert daemon.wire.reply_to(held)["result"]["job"]["status"] == "completed"


def test_connections_that_come_faster_than_they_can_be_refused_bring_nothing_down(
    start: Callable[..., Daemon], own_descriptors: None
) -> None:
    """libzmq would end the process; but it lets in no more than can be seen and cut off."""
    limited = ("sh", "-c", f'ulimit -n {MANY} && exec "$@"', "sh")
    daemon = start(program=(*limited, *MODULE))
    for _ in range(2):
        with ExitStack() as stack:
            flood(daemon, stack)
            assert descriptors(daemon.pid) < MANY
    eventually(lambda: descriptors(daemon.pid) < FEW, "their descriptors are given back")
    with Dealer(daemon.bus, daemon.running) as later:
        assert later.ask("status")["ok"]
    assert daemon.finish(quick(daemon.out / "after-many.mp4"))["status"] == "completed"
