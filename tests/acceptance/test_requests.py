"""PROTOCOL.md section 2: how commands and replies travel."""

from collections.abc import Callable

import pytest

from tests.support.contract import JOB, REFUSAL, STATUS, check
from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick
from tests.support.wire import Dealer, Requester, new_id, pack


def test_a_dealer_is_answered_with_the_id_of_its_command(daemon: Daemon) -> None:
    reply = daemon.ask("status", id="mine")
    assert {"v": reply["v"], "re": reply["re"], "ok": reply["ok"]} == {"v": 1, "re": "mine", "ok": True}
    assert "error" not in reply
    check(reply["result"], STATUS)


def test_a_reply_to_a_dealer_is_one_frame_as_its_command_was(daemon: Daemon) -> None:
    daemon.wire.send("status")
    assert daemon.wire.socket.poll(30_000)
    assert len(daemon.wire.socket.recv_multipart()) == 1


def test_a_refusal_has_code_message_and_details_and_no_result(daemon: Daemon) -> None:
    reply = daemon.ask("get", id="mine", job_id="nobody")
    assert {"v": reply["v"], "re": reply["re"], "ok": reply["ok"]} == {"v": 1, "re": "mine", "ok": False}
    assert "result" not in reply
    check(reply["error"], REFUSAL)


def test_the_first_command_that_a_daemon_hears_is_done(daemon: Daemon) -> None:
    daemon.terminate()
    daemon.launch()
    assert daemon.result("submit", job=quick(daemon.out / "first.mp4"), wait=30)["job"]["status"] == "completed"


def test_a_req_socket_is_answered_as_well(daemon: Daemon) -> None:
    with Requester(daemon.bus) as requester:
        job = requester.result("submit", job=quick(daemon.out / "req.mp4"))["job"]
        assert requester.result("get", job_id=job["id"])["job"]["id"] == job["id"]
        requester.send_frames(b"garbage")
        assert requester.receive()["error"]["code"] == "invalid"


def test_five_hundred_commands_under_way_get_five_hundred_replies(daemon: Daemon) -> None:
    daemon.result("drain")
    asked = [
        daemon.wire.send("submit", job=quick(daemon.out / f"many-{number}.mp4", session="many"))
        for number in range(500)
    ]
    jobs = [daemon.wire.reply_to(command_id)["result"]["job"]["id"] for command_id in asked]
    assert len(set(jobs)) == 500
    listed = daemon.result("list", session="many", limit=1000)["jobs"]
    assert {job["id"] for job in listed} == set(jobs)


def test_commands_of_one_client_take_effect_in_the_order_they_were_sent(daemon: Daemon) -> None:
    daemon.result("drain")
    asked = [
        daemon.wire.send("submit", job=quick(daemon.out / f"order-{number}.mp4", session="order"))
        for number in range(50)
    ]
    jobs = [daemon.wire.reply_to(command_id)["result"]["job"]["id"] for command_id in asked]
    queue = daemon.result("list", session="order", order="queue")["jobs"]
    assert [job["id"] for job in queue] == jobs


def test_a_client_that_leaves_without_its_replies_disturbs_nobody(daemon: Daemon) -> None:
    daemon.result("drain")
    with Dealer(daemon.bus) as leaver:
        first = leaver.send("submit", job=quick(daemon.out / "leaver.mp4"))
        for _ in range(100):
            leaver.send("status")
        leaver.reply_to(first)
    assert daemon.result("status")["pid"] == daemon.pid


def test_submit_with_wait_is_answered_once_the_job_has_ended(daemon: Daemon) -> None:
    view = daemon.submit(quick(daemon.out / "wait.mp4"), wait=30)
    assert view["status"] == "completed"
    check(view, JOB)


def test_get_with_wait_is_answered_when_the_time_has_passed(daemon: Daemon) -> None:
    job_id = daemon.submit(lasting(daemon.out / "lasting.mp4"))["id"]
    assert daemon.result("get", job_id=job_id, wait=0.2)["job"]["status"] in {"queued", "processing"}


def test_a_held_reply_does_not_hold_up_other_commands(daemon: Daemon) -> None:
    job_id = daemon.submit(lasting(daemon.out / "lasting.mp4"))["id"]
    held = daemon.wire.send("get", job_id=job_id, wait=30)
    assert daemon.result("status")["pid"] == daemon.pid
    daemon.result("cancel", job_id=job_id)
    assert daemon.wire.reply_to(held)["result"]["job"]["status"] == "cancelled"


def test_every_reply_that_is_held_for_a_job_is_given_when_it_ends(daemon: Daemon) -> None:
    job_id = daemon.submit(lasting(daemon.out / "lasting.mp4"))["id"]
    with Dealer(daemon.bus) as other:
        held = [daemon.wire.send("get", job_id=job_id, wait=30) for _ in range(3)]
        others = other.send("get", job_id=job_id, wait=30)
        daemon.result("cancel", job_id=job_id)
        replies = [*map(daemon.wire.reply_to, held), other.reply_to(others)]
    assert [reply["result"]["job"]["status"] for reply in replies] == ["cancelled"] * 4


@pytest.mark.parametrize("wait", [-1, 3601, "soon", float("nan"), float("inf")])
def test_a_wait_outside_its_range_is_invalid(daemon: Daemon, wait: object) -> None:
    body = {"v": 1, "id": new_id(), "type": "get", "job_id": "nobody", "wait": wait}
    daemon.wire.send_frames(pack(body))
    error = daemon.wire.receive()["error"]
    assert (error["code"], error["details"]["path"]) == ("invalid", "wait")


def test_one_whose_role_does_not_allow_it_is_forbidden_and_may_still_look(
    start: Callable[..., Daemon],
) -> None:
    daemon = start(env={"RUSHES_DEFAULT_ROLE": "viewer"})
    for kind, fields in (
        ("submit", {"job": quick(daemon.out / "never.mp4")}),
        ("cancel", {"job_id": "a" * 16}),
        ("shutdown", {}),
    ):
        assert daemon.refusal(kind, **fields)["code"] == "forbidden", kind
    assert daemon.result("list")["jobs"] == []
    assert daemon.result("status")["pid"] == daemon.pid


def test_a_job_id_that_nobody_has_is_not_found_by_any_command(daemon: Daemon) -> None:
    for kind in ("get", "cancel", "delete", "retry", "log"):
        assert daemon.refusal(kind, job_id="a" * 16)["code"] == "not_found", kind
    assert daemon.refusal("boost", job_id="a" * 16, front=True)["code"] == "not_found"
