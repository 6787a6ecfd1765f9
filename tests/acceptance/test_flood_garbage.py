"""Peers that talk nonsense, or stop halfway: each is told so or cut off, and nobody else has to wait for long."""

import contextlib
import itertools
import random
import socket
from collections import Counter
from contextlib import ExitStack

from tests.support.daemon import Daemon
from tests.support.load import MIB, SOON, Customer, packed, pushing, stream
from tests.support.wire import pack
from tests.support.zmtp import COMMAND, GREETING, Peer, frame, ready

NOT_ZMTP = {
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "zeros": bytes(64),
    "noise": random.Random(1).randbytes(4096),
    "an old version": b"\x01\x00",
    "another mechanism": GREETING.replace(b"NULL", b"CURV"),
    "no such socket": GREETING + ready(b"NONSENSE"),
    "a frame of an exabyte": GREETING + ready(b"DEALER") + b"\x02" + (2**60).to_bytes(8, "big"),
    "a command that is none": GREETING + ready(b"DEALER") + frame(b"\xffNONSENSE", COMMAND),
}
"""What no ZeroMQ peer says."""


def customer(daemon: Daemon) -> Customer:
    return Customer(daemon, ("get", {"job_id": "a" * 16}), ("cancel", {"job_id": "b" * 16}), ("status", {}))


def test_nonsense_of_a_megabyte_is_refused_and_holds_up_nobody(daemon: Daemon) -> None:
    noise = random.Random(2)
    bodies = [
        noise.randbytes(MIB),
        b"\xc1" * MIB,
        pack([0] * (MIB - 100)),
        pack({"v": 1, "id": "deep", "type": "get", "job_id": [{"a": [number]} for number in range(100_000)]}),
        pack({"v": 1, "id": "long", "type": "cancel", "job_id": "x" * (MIB - 100)}),
        b"\x81\xa1\xff\xdd" + (MIB - 100).to_bytes(4, "big") + b"\x80" * (MIB - 100),
    ]
    polite = customer(daemon)
    with Peer(daemon.bus) as one, Peer(daemon.bus) as two:
        peers = (one, two)
        with pushing(60, *((peer, stream(bodies)) for peer in peers)) as goes_on:
            while goes_on():
                polite.ask()
        for peer in peers:
            codes = [reply["error"]["code"] for reply in peer.replies(len(bodies))]
            assert Counter(codes) == {"invalid": len(bodies) - 1, "too_large": 1}, "one has too many maps"
    polite.ask()
    print(polite.told())
    assert max(polite.took) < SOON
    # What libzmq reads ahead, 32 of a megabyte for each peer, and one that is decoded: a million small objects.
    assert polite.grown < (2 * 32 + 128) * MIB


def test_what_is_no_zeromq_is_cut_off_and_what_stops_halfway_is_waited_for_by_nobody(daemon: Daemon) -> None:
    polite = customer(daemon)
    with ExitStack() as stack:
        for kind, part in itertools.product((b"DEALER", b"SUB"), range(0, len(GREETING), 7)):
            halfway = stack.enter_context(Peer(daemon.bus, kind, greets=False))
            halfway.socket.sendall(GREETING[:part])
        for kind, said in itertools.product((b"DEALER", b"SUB"), NOT_ZMTP.values()):
            stranger = stack.enter_context(Peer(daemon.bus, kind, greets=False))
            stranger.socket.sendall(said)
            stranger.socket.shutdown(socket.SHUT_WR)
            assert stranger.is_cut_off()
        polite.ask()
    assert max(polite.took) < SOON


def test_an_envelope_of_hundreds_of_frames_is_refused(daemon: Daemon) -> None:
    body = next(packed("status", ["wrapped"]))
    with Peer(daemon.bus) as peer:
        for depth in (17, 300, 5000):
            peer.send_parts(*[b"hop"] * depth, b"", body)
            peer.send_parts(*[b""] * depth, body)
            assert [reply["error"]["code"] for reply in peer.replies(2)] == ["invalid"] * 2
        peer.send_parts(b"", body)
        assert next(peer.replies(1))["ok"]


def test_a_topic_that_nobody_can_mean_is_not_kept(daemon: Daemon) -> None:
    """libzmq would keep a node for each of its bytes."""
    polite = customer(daemon)
    with Peer(daemon.bus, b"SUB") as hoarder:
        with contextlib.suppress(ConnectionError):
            hoarder.socket.sendall(frame(b"\x01" + b"x" * (MIB - 1)))
        assert hoarder.is_cut_off()
    polite.ask()
    assert polite.grown < 16 * MIB
