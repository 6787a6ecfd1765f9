"""The hub on real sockets: every client, whatever it sends, gets one reply, and actors reach each other by address."""

import os
import pwd
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import zmq

from actors.mail import QueueDone, SweepDue, Tick
from bus import codec, limits
from bus import hub as hub_module
from bus.auth import Guard
from bus.errors import BadAddress
from bus.messages import Get, Status
from tests.integration.parts import Letterbox, Switchboard
from tests.support.load import MIB, packed
from tests.support.ports import free_pair
from tests.support.processes import eventually
from tests.support.wire import PATIENCE, Dealer, Map, Requester, command, new_id, pack
from tests.support.zmtp import Peer

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def inbox(switchboard: Switchboard) -> Letterbox:
    """Where the Queue's commands go."""
    return switchboard.letterbox("queue")


@pytest.fixture
def client(switchboard: Switchboard) -> Iterator[Dealer]:
    with Dealer(switchboard.address) as found:
        yield found


def take(switchboard: Switchboard, inbox: Letterbox) -> None:
    """Be the Queue once: answer the next command with its own type."""
    request = inbox.command()
    switchboard.answer(request, {"seen": str(request.command.__struct_config__.tag)})


# ---------------------------------------------------------------- commands and replies


def test_a_dealer_is_answered(switchboard: Switchboard, inbox: Letterbox, client: Dealer) -> None:
    asked = client.send("status")
    take(switchboard, inbox)
    assert client.reply_to(asked) == {"v": 1, "re": asked, "ok": True, "result": {"seen": "status"}}


def test_a_requester_is_answered(switchboard: Switchboard, inbox: Letterbox) -> None:
    with Requester(switchboard.address) as client:
        for _ in range(3):
            asked = client.send("status")
            take(switchboard, inbox)
            assert client.receive()["re"] == asked


def test_replies_find_back_through_a_proxy(switchboard: Switchboard, inbox: Letterbox, client: Dealer) -> None:
    """Whatever stands before the empty frame comes back with the reply."""
    client.send_frames(b"hop 1", b"hop 2", b"", pack(command("status", {})))
    take(switchboard, inbox)
    assert client.socket.poll(int(PATIENCE * 1000))
    assert client.socket.recv_multipart()[:-1] == [b"hop 1", b"hop 2", b""]


def test_commands_are_pipelined_and_replies_matched_by_their_ids(
    switchboard: Switchboard, inbox: Letterbox, client: Dealer
) -> None:
    asked = [client.send("get", job_id="x", wait=1) for _ in range(500)]
    requests = [inbox.command() for _ in asked]
    assert [request.command.id for request in requests] == asked
    for request in reversed(requests):
        switchboard.answer(request, {"mine": request.command.id})
    assert [client.reply_to(one)["result"]["mine"] for one in asked] == asked


def test_two_clients_do_not_get_each_others_replies(switchboard: Switchboard, inbox: Letterbox, client: Dealer) -> None:
    with Dealer(switchboard.address) as other:
        same_id = new_id()
        for one in (client, other):
            one.send("status", id=same_id)
        first, second = inbox.command(), inbox.command()
        switchboard.answer(first, {"number": 1})
        switchboard.answer(second, {"number": 2})
        assert {one.reply_to(same_id)["result"]["number"] for one in (client, other)} == {1, 2}


def test_a_command_goes_to_the_actor_whose_work_it_is(
    switchboard: Switchboard, inbox: Letterbox, client: Dealer
) -> None:
    archive = switchboard.letterbox("archive")
    client.send("get", job_id="x")
    client.send("status")
    assert isinstance(archive.command().command, Get)
    assert isinstance(inbox.command().command, Status)


def test_what_is_sent_before_the_daemon_is_ready_waits_for_it(folder: Path) -> None:
    with Switchboard(f"ipc://{folder}/bus", is_open=False) as switchboard, Dealer(switchboard.address) as client:
        asked = client.send("status")
        inbox = switchboard.letterbox("queue")
        switchboard.mail("queue", SweepDue())
        assert isinstance(inbox.next(), bytes)
        switchboard.open()
        take(switchboard, inbox)
        assert client.reply_to(asked)["ok"]


# ---------------------------------------------------------------- whatever else is sent


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([b""], "invalid"),
        ([b"", b""], "invalid"),
        ([b"garbage"], "invalid"),
        ([b"", b"garbage"], "invalid"),
        ([b"one", b"two"], "invalid"),
        ([b"", b"", b"one", b"two"], "invalid"),
        ([pack({"v": 1, "type": "status"})], "invalid"),
        ([pack({"v": 2, "id": "a", "type": "status"})], "unsupported"),
        ([b"x" * (limits.MAX_BODY_BYTES + 1)], "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} frames",
)
def test_what_is_no_command_gets_one_reply_and_the_next_command_is_as_welcome(
    switchboard: Switchboard, inbox: Letterbox, client: Dealer, frames: list[bytes], code: str
) -> None:
    client.send_frames(*frames)
    asked = client.send("status")
    take(switchboard, inbox)
    replies = [_body(client), _body(client)]
    assert [reply["ok"] for reply in replies] == [False, True]
    assert replies[0]["error"]["code"] == code
    assert replies[1]["re"] == asked


def _body(client: Dealer) -> Map:
    """The next reply, whatever envelope it came in."""
    assert client.socket.poll(int(PATIENCE * 1000))
    return dict(codec.decode_plain(client.socket.recv_multipart()[-1]))


def test_one_that_sends_more_than_a_frame_may_hold_is_cut_off_and_others_are_not(
    switchboard: Switchboard, inbox: Letterbox, client: Dealer
) -> None:
    with Peer(switchboard.address) as glutton:
        with suppress(ConnectionError):
            glutton.send(b"x" * (limits.MAX_FRAME_BYTES + 1))
        assert glutton.is_cut_off()
        asked = client.send("status")
        take(switchboard, inbox)
        assert client.reply_to(asked)["ok"]
    assert inbox.is_empty()


def test_what_a_subscriber_sends_is_thrown_away(switchboard: Switchboard, inbox: Letterbox, client: Dealer) -> None:
    with switchboard.hub.context.socket(zmq.XSUB) as stranger:
        stranger.linger = 0
        stranger.connect(f"{switchboard.address}/events")
        stranger.send(b"\x01job.")
        stranger.send(b"not a subscription")
        asked = client.send("status")
        take(switchboard, inbox)
        assert client.reply_to(asked)["ok"]


# ---------------------------------------------------------------- refusals of the hub's own


def test_a_command_whose_actor_is_not_there_is_told_to_try_again(client: Dealer) -> None:
    assert client.refusal("status")["code"] == "busy"


def test_a_command_for_a_full_inbox_is_told_to_try_again(
    switchboard: Switchboard, inbox: Letterbox, client: Dealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "MAX_INBOX", 2)
    waiting = [client.send("status") for _ in range(2)]
    refused = client.refusal("status")
    assert (refused["code"], refused["details"]) == ("busy", {"limit": 2})
    for _ in waiting:
        take(switchboard, inbox)
    assert all(client.reply_to(one)["ok"] for one in waiting)


@pytest.mark.usefixtures("inbox")
def test_a_command_for_which_there_is_no_room_in_bytes_is_told_of_the_bytes(
    client: Dealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "MAX_INBOX_BYTES", 1)
    refused = client.refusal("status")
    assert (refused["code"], refused["details"]) == ("busy", {"limit": 1})
    assert refused["message"] == "0 commands of 0 bytes are waiting; try again"


def test_a_command_that_ones_role_may_not_send_is_forbidden_and_reaches_nobody(folder: Path) -> None:
    with (
        Switchboard(f"ipc://{folder}/bus", guard=Guard({ME: "viewer"})) as switchboard,
        Dealer(switchboard.address) as client,
    ):
        inbox = switchboard.letterbox("queue")
        refused = client.refusal("drain")
        assert (refused["code"], refused["details"]) == ("forbidden", {"role": "viewer", "by": ME})
        asked = client.send("status")
        take(switchboard, inbox)
        assert client.reply_to(asked)["ok"]


# ---------------------------------------------------------------- who is asking


def test_over_ipc_the_asker_is_the_os_user(inbox: Letterbox, client: Dealer) -> None:
    client.send("status", id="x")
    assert inbox.command().by == ME


def test_over_tcp_the_asker_is_his_address() -> None:
    with (
        Switchboard(f"tcp://127.0.0.1:{free_pair()}") as switchboard,
        Dealer(switchboard.address) as dealer,
        Requester(switchboard.address) as requester,
    ):
        inbox = switchboard.letterbox("queue")
        for client in (dealer, requester):
            asked = client.send("status")
            request = inbox.command()
            assert request.by == "tcp:127.0.0.1"
            switchboard.answer(request, {})
            assert client.reply_to(asked)["ok"]


# ---------------------------------------------------------------- clients that go or do not read


def test_of_replies_that_nobody_reads_the_log_has_a_line_a_second(
    switchboard: Switchboard, inbox: Letterbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard.hub._replies, "_limit", MIB)
    sent, size, buffers = 10_000, 4_000, 2 * MIB
    with Peer(switchboard.address) as sleeper:
        sleeper.send(*packed("status", ["asked"]))
        request = inbox.command()
        for _ in range(sent):
            switchboard.answer(request, {"filler": "x" * size})
        counts: list[int] = []
        while sum(counts) < sent - (MIB + buffers) // size:
            counts.append(switchboard.notices.get(timeout=PATIENCE)[1]["count"])
    assert len(counts) < sent / 100


def test_replies_to_one_who_does_not_read_are_dropped_with_a_notice_and_others_get_theirs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "REPLIES_PER_CLIENT", 1)
    with (
        Switchboard(f"ipc://{folder}/bus") as switchboard,
        Dealer(switchboard.address) as sleeper,
        Dealer(switchboard.address) as reader,
    ):
        inbox = switchboard.letterbox("queue")
        sleeper.send("status")
        request = inbox.command()

        def told() -> bool:
            for _ in range(100):
                switchboard.answer(request, {"filler": "x" * 100_000})
            return not switchboard.notices.empty()

        eventually(told, "the hub gives up on the client")
        assert switchboard.notices.get()[0] == "reply_dropped"
        asked = reader.send("status")
        take(switchboard, inbox)
        assert reader.reply_to(asked)["ok"]


# ---------------------------------------------------------------- mail


def test_actors_in_two_threads_reach_each_other_by_address(switchboard: Switchboard) -> None:
    here, there = switchboard.letterbox("queue"), switchboard.letterbox("render/x")

    def other_thread() -> None:
        outbox = switchboard.hub.outbox()
        for number in range(1200):  # more than one batch holds
            outbox.mail("queue", Tick(what=str(number)))
        outbox.close()

    thread = threading.Thread(target=other_thread)
    thread.start()
    assert [here.mail(Tick).what for _ in range(1200)] == [str(number) for number in range(1200)]
    thread.join()
    switchboard.mail("render/x", QueueDone())
    assert there.mail(QueueDone) == QueueDone()


def test_mail_to_nobody_is_dropped_and_ends_nothing(switchboard: Switchboard, inbox: Letterbox) -> None:
    switchboard.mail("render/gone", QueueDone())
    switchboard.mail("queue", SweepDue())
    assert inbox.mail(SweepDue) == SweepDue()


def test_an_address_is_given_up_only_by_the_one_who_has_it(switchboard: Switchboard, inbox: Letterbox) -> None:
    successor = switchboard.letterbox("queue")
    switchboard.hub.unregister("queue", inbox)
    assert switchboard.hub.addresses() == ["queue"]
    switchboard.mail("queue", SweepDue())
    assert successor.mail(SweepDue) == SweepDue()
    switchboard.hub.unregister("queue", successor)
    assert switchboard.hub.addresses() == []


# ---------------------------------------------------------------- events


def test_a_subscriber_hears_what_it_subscribed_to_in_order(switchboard: Switchboard) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    subscriber = context.socket(zmq.SUB)
    subscriber.linger, subscriber.rcvhwm = 0, 0
    subscriber.subscribe(b"job.a.")
    subscriber.subscribe(b"sync")
    subscriber.connect(f"{switchboard.address}/events")

    def heard() -> bool:
        switchboard.outbox.event("sync", b"")
        switchboard.outbox.flush()
        return bool(subscriber.poll(10))

    eventually(heard, "the subscription has arrived")
    for number in range(1200):
        switchboard.outbox.event(f"job.{'ab'[number % 2]}.progress", str(number).encode())
    switchboard.outbox.event("job.a.completed", b"last")
    switchboard.outbox.flush()
    bodies = []
    while b"last" not in bodies:
        assert subscriber.poll(int(PATIENCE * 1000))
        bodies += [body for topic, body in [subscriber.recv_multipart()] if topic != b"sync"]
    assert bodies == [str(number).encode() for number in range(0, 1200, 2)] + [b"last"]
    subscriber.close()


# ---------------------------------------------------------------- its sockets


def test_a_second_hub_on_the_same_folder_is_refused_and_the_first_serves_on(
    switchboard: Switchboard, inbox: Letterbox, client: Dealer
) -> None:
    """A second bind on an ipc path would silently steal it."""
    with pytest.raises(BadAddress, match="another daemon serves"):
        Switchboard(switchboard.address)
    asked = client.send("status")
    take(switchboard, inbox)
    assert client.reply_to(asked)["ok"]


@pytest.mark.parametrize("host", ["0.0.0.0", "*", "192.0.2.1"])
def test_a_hub_that_others_could_reach_without_keys_is_refused(host: str) -> None:
    with pytest.raises(BadAddress, match="without keys only loopback"):
        Switchboard(f"tcp://{host}:{free_pair()}")


def test_a_port_that_is_taken_is_named() -> None:
    port = free_pair()
    said = f"cannot bind tcp://127.0.0.1:{port}: Address already in use; choose another with --bus"
    with Switchboard(f"tcp://127.0.0.1:{port}"), pytest.raises(BadAddress, match=re.escape(said)):
        Switchboard(f"tcp://127.0.0.1:{port}")


def test_the_folder_is_for_the_user_alone_and_nothing_but_the_lock_stays_in_it(folder: Path) -> None:
    bus = folder / "run/bus"
    with Switchboard(f"ipc://{bus}"):
        assert stat.S_IMODE(bus.stat().st_mode) == 0o700
        assert sorted(path.name for path in bus.iterdir()) == ["commands", "events", "lock"]
    assert [path.name for path in bus.iterdir()] == ["lock"]


def test_a_folder_that_everybody_can_write_is_refused(folder: Path) -> None:
    folder.chmod(0o777)
    with pytest.raises(BadAddress, match="chmod 700"):
        Switchboard(f"ipc://{folder}")


def test_what_was_sent_before_the_stop_arrives(folder: Path) -> None:
    switchboard = Switchboard(f"ipc://{folder}/bus")
    with Dealer(switchboard.address) as client:
        inbox = switchboard.letterbox("queue")
        asked = [client.send("status") for _ in range(100)]
        for _ in asked:
            take(switchboard, inbox)
        switchboard.close()
        assert all(client.reply_to(one)["ok"] for one in asked)


def test_a_client_lives_through_a_restart_of_the_hub(folder: Path) -> None:
    address = f"ipc://{folder}/bus"
    with Dealer(address) as client:
        for _ in range(2):
            with Switchboard(address) as switchboard:
                inbox = switchboard.letterbox("queue")
                asked = client.send("status")
                take(switchboard, inbox)
                assert client.reply_to(asked)["ok"]
