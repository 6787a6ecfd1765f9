"""What the hub keeps for peers that do not read: replies up to so many bytes, events up to a number, and no more."""

from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from bus import hub as hub_module
from bus.backpressure import GONE, MARK_BYTES, UNREAD
from bus.traffic import Traffic
from tests.integration.parts import Letterbox, Switchboard
from tests.support.load import MIB, packed
from tests.support.processes import eventually
from tests.support.wire import PATIENCE, Dealer
from tests.support.zmtp import QUIET_SECONDS, SUBSCRIBE_ALL, Peer

OVERHEAD = 60
"""Bytes of a reply besides its filler, about."""

SOCKET_BYTES = 2 * MIB
"""What the kernel and libzmq's own buffers take besides."""


@pytest.fixture
def inbox(switchboard: Switchboard) -> Letterbox:
    return switchboard.letterbox("queue")


@pytest.fixture(autouse=True)
def tells_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "DROPPED_SECONDS", 0)


@pytest.fixture
def few_events(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(hub_module, "EVENTS_PER_SUBSCRIBER", 100)
    return 100


def come_to_an_end(switchboard: Switchboard, inbox: Letterbox) -> None:
    """Wait until the hub has sent what was given to it before, and has told of what it dropped."""
    with Dealer(switchboard.address) as client:
        for _ in range(2):  # the second is answered after the turn of the first
            asked = client.send("status")
            switchboard.answer(inbox.command(), {})
            assert client.reply_to(asked)["ok"]


@pytest.mark.parametrize("size", [4_000, 20_000, 3_000_000])
def test_replies_are_kept_up_to_so_many_bytes_whatever_their_size(
    switchboard: Switchboard, inbox: Letterbox, size: int
) -> None:
    limit, whole = hub_module.REPLIES_BYTES, size + OVERHEAD
    with Peer(switchboard.address) as sleeper:
        sleeper.send(*packed("status", ["asked"]))
        request = inbox.command()
        sent = 2 * limit // size
        for _ in range(sent):
            switchboard.answer(request, {"filler": "x" * size})
        come_to_an_end(switchboard, inbox)
        dropped = 0
        while not switchboard.notices.empty():
            name, keys = switchboard.notices.get()
            assert name == "reply_dropped"
            dropped += keys["count"]
        kept = sum(1 for _ in sleeper.replies(sent - dropped))
        assert limit - MARK_BYTES - whole <= kept * whole <= limit + SOCKET_BYTES
        # It reads again: what comes now is sent.
        switchboard.answer(request, {"filler": "x" * size})
        assert len(list(sleeper.replies(1))) == 1
    assert switchboard.notices.empty()


def test_many_that_do_not_read_share_what_is_kept(
    switchboard: Switchboard, inbox: Letterbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = 16 * MIB
    monkeypatch.setattr(switchboard.hub._replies, "_total", total)
    with Dealer(switchboard.address) as reader, ExitStack() as stack:
        sleepers = [stack.enter_context(Peer(switchboard.address)) for _ in range(8)]
        for sleeper in sleepers:
            sleeper.send(*packed("status", ["asked"]))
        requests = [inbox.command() for _ in sleepers]
        for request in requests:
            for _ in range(60):
                switchboard.answer(request, {"filler": "x" * 100_000})
        asked = reader.send("status")
        switchboard.answer(inbox.command(), {"filler": "x" * 100_000})
        assert reader.reply_to(asked)["ok"], "one who reads gets his"
        replies = switchboard.hub._replies
        assert sum(one.size for one in replies._clients.values()) <= total + 8 * MIB
    eventually(lambda: _settled(switchboard, inbox), "what was for them is let go of", PATIENCE)


def _settled(switchboard: Switchboard, inbox: Letterbox) -> bool:
    """True once nothing is counted any more but for the reply that had it looked at."""
    with Dealer(switchboard.address) as client:
        client.send("status")
        switchboard.answer(inbox.command(), {"filler": "x" * 100_000})
        client.receive()
    return len(switchboard.hub._replies._clients) <= 1


@pytest.mark.parametrize("traffic", [None, Traffic()], ids=["", "counted"])
def test_events_are_kept_up_to_a_number_for_one_who_does_not_read_and_the_others_hear_all(
    few_events: int, folder: Path, traffic: Traffic | None
) -> None:
    with Switchboard(f"ipc://{folder}/bus", traffic=traffic) as switchboard:
        inbox = switchboard.letterbox("queue")
        with Peer(switchboard.address, b"SUB") as lazy, Peer(switchboard.address, b"SUB") as reader:
            for peer in (lazy, reader):
                peer.send(SUBSCRIBE_ALL)
            _await_subscriptions(switchboard, lazy, reader)
            for number in range(1000):
                switchboard.outbox.event("job.x", str(number).encode().rjust(50_000))
                switchboard.outbox.flush()
                while (message := reader.message())[0] != b"job.x":
                    continue
                assert int(message[1]) == number
            come_to_an_end(switchboard, inbox)
            heard = _all_there_is(switchboard, lazy)
            assert heard == sorted(heard)
            assert few_events // 2 <= len(heard) <= few_events + SOCKET_BYTES // 50_000
            if traffic is None:
                return
            assert (traffic.overflows, traffic.events[b"job.x"]) == (1, 1000)
            # It has read: now it hears again, until it has too much unread for a second time.
            _await_subscriptions(switchboard, lazy, reader)
            assert traffic.overflows == 1
            for _ in range(1000):
                switchboard.outbox.event("job.x", bytes(50_000))
                switchboard.outbox.flush()
                while reader.message()[0] != b"job.x":
                    continue
            assert traffic.overflows == 2


def test_replies_that_nobody_takes_are_counted_by_why_and_the_log_tells_of_those_unread(folder: Path) -> None:
    traffic, size = Traffic(), 20_000
    with Switchboard(f"ipc://{folder}/bus", traffic=traffic) as switchboard:
        inbox = switchboard.letterbox("queue")
        with Peer(switchboard.address) as sleeper:
            sleeper.send(*packed("status", ["asked"]))
            request = inbox.command()
            for _ in range(2 * hub_module.REPLIES_BYTES // size):
                switchboard.answer(request, {"filler": "x" * size})
            come_to_an_end(switchboard, inbox)
            assert traffic.lost_replies[UNREAD] > 0
            assert traffic.lost_replies[GONE] == 0

        def is_gone() -> bool:
            switchboard.answer(request, {})
            come_to_an_end(switchboard, inbox)
            return traffic.lost_replies[GONE] > 0

        eventually(is_gone, "its end is seen")
        told = 0
        while told < traffic.lost_replies[UNREAD]:
            name, keys = switchboard.notices.get(timeout=PATIENCE)
            assert name == "reply_dropped"
            told += keys["count"]
    assert told == traffic.lost_replies[UNREAD]
    assert switchboard.notices.empty()


def _all_there_is(switchboard: Switchboard, peer: Peer) -> list[int]:
    """The numbers of the events that come before a last one, which is published until there is room for it."""
    heard = []
    peer.socket.settimeout(QUIET_SECONDS)
    for _ in range(int(PATIENCE / QUIET_SECONDS)):
        with suppress(TimeoutError):
            while (message := peer.message())[0] != b"that is all":
                if message[0] == b"job.x":
                    heard.append(int(message[1]))
            peer.socket.settimeout(PATIENCE)
            return heard
        switchboard.outbox.event("that is all", b"")
        switchboard.outbox.flush()
    raise TimeoutError(f"not all of it within {PATIENCE} s")


def _await_subscriptions(switchboard: Switchboard, *peers: Peer) -> None:
    """Publish until each of them hears it."""
    for peer in peers:

        def hears(peer: Peer = peer) -> bool:
            switchboard.outbox.event("are you there", b"")
            switchboard.outbox.flush()
            peer.socket.settimeout(0.05)
            try:
                return peer.message()[0] == b"are you there"
            except TimeoutError:
                return False
            finally:
                peer.socket.settimeout(PATIENCE)

        eventually(hears, "the subscription is known")
