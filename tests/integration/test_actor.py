"""What every actor is: it takes what has piled up as one batch, is counted right, and ends when it is told to."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pykka
import pytest

from actors.base import MAX_BATCH, QUEUE, REPAIRED, SUPERVISOR, BusActor
from actors.mail import ActorDied, Tick
from bus import codec
from bus import messages as m
from bus.anteroom import SHARED_TURN, TURN
from bus.inbox import Pending, Request
from tests.integration.parts import Switchboard
from tests.support.wire import PATIENCE, Dealer

ADDRESS = "slow"
TICK = codec.encode(Tick(what="now"))


class Slow(BusActor):
    """Notes its batches, and whose commands were in them; each waits to be let go on."""

    reads = Tick

    def __init__(self, hub: Any) -> None:
        super().__init__(hub, ADDRESS)
        self.batches: list[int] = []
        self.clients: list[list[bytes]] = []
        self.at_work = threading.Semaphore(0)
        self.goes_on = threading.Semaphore(0)

    def receive(self, messages: Sequence[Any]) -> None:
        self.batches.append(len(messages))
        self.clients.append([message.envelope[0] for message in messages if isinstance(message, Request)])
        self.at_work.release()
        assert self.goes_on.acquire(timeout=PATIENCE)

    def next_turn(self) -> None:
        """Let the batch go on, and wait for the next."""
        self.goes_on.release()
        assert self.at_work.acquire(timeout=PATIENCE)


@pytest.fixture
def slow(switchboard: Switchboard) -> Iterator[Slow]:
    """At work at its first message."""
    ref = Slow.start(switchboard.hub)
    actor = ref._actor_weakref()  # a test may look behind the reference
    assert isinstance(actor, Slow)
    actor.inbox.put(TICK)
    assert actor.at_work.acquire(timeout=PATIENCE)
    yield actor
    for _ in range(1000):
        actor.goes_on.release()
    ref.stop(timeout=PATIENCE)


def request(number: int, client: bytes = b"peer") -> Request:
    return Request(m.Status(id=str(number)), "ada", (client,), size=10)


def test_what_piles_up_is_one_batch_and_is_counted_until_it_is_taken(slow: Slow) -> None:
    slow.inbox.put(request(1), request(2))
    slow.inbox.put(TICK)
    slow.inbox.put(request(3))
    assert slow.inbox.pending() == Pending(3, 30), "mail is not counted"
    slow.next_turn()
    assert slow.batches == [1, 4]
    assert slow.inbox.pending() == Pending(0, 0)


def test_a_batch_ends(slow: Slow) -> None:
    for _ in range(MAX_BATCH + 10):
        slow.inbox.put(TICK)
    for _ in range(2):
        slow.next_turn()
    assert slow.batches == [1, MAX_BATCH, 10]


def test_one_who_is_alone_has_large_turns_until_another_comes_who_is_in_the_next(
    switchboard: Switchboard, slow: Slow
) -> None:
    hub = switchboard.hub
    hub.hand_over(ADDRESS, *map(request, range(3 * TURN)))
    slow.next_turn()
    assert len(slow.clients[-1]) == TURN
    hub.hand_over(ADDRESS, request(0, b"other"))
    slow.next_turn()
    assert b"other" in slow.clients[-1]
    assert len(slow.clients[-1]) == SHARED_TURN
    slow.next_turn()
    assert len(slow.clients[-1]) == SHARED_TURN


def test_nothing_is_left_waiting_when_nobody_sends_any_more(switchboard: Switchboard, slow: Slow) -> None:
    many = 2 * TURN + SHARED_TURN
    for client in (b"one", b"two"):
        switchboard.hub.hand_over(ADDRESS, *(request(number, client) for number in range(many // 2)))
    while sum(map(len, slow.clients)) < many:
        slow.next_turn()
    assert slow.inbox.pending() == Pending(0, 0)


def test_it_ends_when_it_is_told_to_however_much_stands_before_and_behind(slow: Slow) -> None:
    slow.inbox.put(request(1), request(2))
    ended = slow.actor_ref.stop(block=False)
    for _ in range(3):
        slow.inbox.put(TICK, TICK)
    for _ in range(1 + 1 + 3):
        slow.goes_on.release()
    ended.get(timeout=PATIENCE)
    assert slow.batches == [1, 2, 2, 2, 2], "what is there already is done; nothing is taken together any more"
    with pytest.raises(pykka.ActorDeadError):
        slow.actor_ref.tell([TICK])


class Frail(Slow):
    """Dies of its second batch."""

    def receive(self, messages: Sequence[Any]) -> None:
        super().receive(messages)
        assert len(self.batches) == 1, "as it was told"


def test_whoever_waits_for_one_that_dies_is_told_to_ask_again(switchboard: Switchboard) -> None:
    box, queue = switchboard.letterbox(SUPERVISOR), switchboard.letterbox(QUEUE)
    with Dealer(switchboard.address) as client:
        client.send("status", id="known")
        mine = queue.command()
        actor = Frail.start(switchboard.hub)._actor_weakref()
        assert isinstance(actor, Frail)
        actor.inbox.put(TICK)
        assert actor.at_work.acquire(timeout=PATIENCE)
        for _ in range(MAX_BATCH):
            actor.inbox.put(TICK)
        actor.inbox.put(mine)  # the first that its last batch has no room for
        for _ in range(2):
            actor.goes_on.release()
        assert box.mail(ActorDied).address == ADDRESS
        error = client.reply_to("known")["error"]
        assert (error["code"], error["message"]) == ("busy", REPAIRED)
