"""The door on real sockets: libzmq lets in no more than it can be seen to, and who is too much is cut off."""

import os
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from bus.door import LEAST, UNSEEN, Door, spare
from bus.traffic import Traffic
from tests.support.processes import eventually

QUIET = struct.pack("ll", 1, 0)
"""A second, as the kernel takes it, in which nobody is let in: then nobody is any more."""

HANDSHAKE_SECONDS = 30
"""libzmq's own patience with one who says nothing (ZMQ_HANDSHAKE_IVL)."""


@pytest.fixture(autouse=True)
def enough_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class House:
    """Two sockets with a door, on ipc paths of a folder."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.traffic = Traffic()
        self.notices: list[str] = []
        self.errors: list[BaseException] = []
        self._stack = stack
        context = stack.enter_context(zmq.Context())
        self._paths = [str(folder / name) for name in ("commands", "events")]
        self._bound = [context.socket(kind) for kind in (zmq.ROUTER, zmq.XPUB)]
        for one, path in zip(self._bound, self._paths, strict=True):
            one.bind(f"ipc://{path}")
        self.door = Door(
            context, self._bound, lambda name, _: self.notices.append(name), self.errors.append, self.traffic
        )

    def connect(self, at: int) -> bool:
        """Come to one of the sockets; False where nobody is let in for a while."""
        client = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, QUIET)
        try:
            client.connect(self._paths[at])
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        for one in self._bound:
            one.close(linger=0)
        self.door.join()


@pytest.fixture
def house(folder: Path) -> Iterator[House]:
    with ExitStack() as stack:
        found = House(folder, stack)
        stack.callback(found.close)  # else the context would wait for them after a test that failed
        yield found


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def crowd(house: House) -> int:
    """Come, by turns, until nobody is let in; how many were, and how many wait before the door."""
    came = 0
    while house.connect(came % 2):
        came += 1
    return came


def test_while_nobody_looks_so_many_are_let_in_and_no_more(house: House) -> None:
    before = descriptors()
    came = crowd(house)
    let_in = descriptors() - before - came - 1
    assert UNSEEN // 2 <= let_in <= UNSEEN
    house.door.start()
    eventually(lambda: descriptors() - before == 2 * came + 1, "those who waited are let in")
    assert house.connect(0)
    assert house.connect(1)
    house.close()
    assert (house.traffic.cut_off, house.notices, house.errors) == (0, [], [])


def test_a_door_that_nobody_stood_at_can_be_closed_while_libzmq_waits(house: House) -> None:
    crowd(house)
    house.close()
    assert house.errors == []


def test_who_comes_when_there_is_no_room_is_cut_off(house: House) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    house.door.start()
    in_use, lowest = descriptors(), os.dup(1)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * lowest, most))
    assert spare(2 * lowest) == lowest, "whichever is given next is one too many"
    for _ in range(3):
        assert house.connect(0)
    eventually(lambda: house.traffic.cut_off == 3, "all are cut off")
    # Long before libzmq itself ends a connection that does not shake hands.
    eventually(lambda: descriptors() == in_use + 3, "their descriptors are given back", HANDSHAKE_SECONDS / 3)
    house.close()
    assert (house.notices, house.errors) == (["connections_refused"], [])


@pytest.mark.parametrize(
    ("most", "kept"), [(1024, 512), (2 * LEAST - 2, LEAST - 1), (2 * LEAST, LEAST), (20_000, 5000), (65_536, 16_384)]
)
def test_how_many_descriptors_are_not_for_clients(most: int, kept: int) -> None:
    assert spare(most) == kept
