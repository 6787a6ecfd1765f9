"""A daemon that is told to end does so in time, tells of it first, and leaves no child that nobody will adopt."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Child, Daemon, serving
from tests.support.fakes import noted_runs, tempered
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.wire import Dealer

GRACE = 0.3
LONG_GRACE = 20
MARGIN = LONG_GRACE / 2
"""What its own end may take besides: it takes some tenths of a second, but on a machine that others use, too."""


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=3, grace=GRACE, ffmpeg=temperamental) as daemon:
        yield daemon


def stubborn(daemon: Daemon, name: str) -> tuple[str, Child]:
    """A job whose FFmpeg heeds nothing but SIGKILL, and its child."""
    job_id = daemon.submit(tempered(lasting(daemon.out / name), "stubborn"))["id"]
    return job_id, daemon.child(job_id)


def noting(daemon: Daemon, name: str, seconds: float) -> tuple[str, Child]:
    """A job that notes each time that FFmpeg is run for it, and its child."""
    job_id = daemon.rendering(tempered(lasting(daemon.out / name, seconds, max_attempts=1), "noting"))
    return job_id, daemon.child(job_id)


def finished_once(daemon: Daemon, job_id: str) -> None:
    """The job is complete, by the one child that it ever had."""
    view = daemon.outcome(job_id)
    assert (view["status"], view["attempts"]) == ("completed", 1)
    assert noted_runs(daemon.base, job_id) == 1
    assert "requeued" not in daemon.kinds(job_id)


def last_daemon_events(daemon: Daemon, count: int) -> list[str]:
    return [event["type"] for event in daemon.events() if event["type"].startswith("daemon.")][-count:]


# ---------------------------------------------------------------- stop


def test_a_stop_takes_three_graces_at_most_whatever_the_child_heeds(daemon: Daemon) -> None:
    job_id, child = stubborn(daemon, "stubborn.mp4")
    other = daemon.rendering(lasting(daemon.out / "obedient.mp4"))
    with daemon.listener("daemon.") as listener, Dealer(daemon.bus, daemon.running) as client:
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert listener.wait_for("daemon.stopping")["data"]["mode"] == "stop"
        for kind, fields in (
            ("submit", {"job": quick(daemon.out / "late.mp4")}),
            ("cancel", {"job_id": job_id}),
            ("resume", {}),
        ):
            assert client.refusal(kind, **fields)["code"] == "busy"
        assert client.result("get", job_id=job_id)["job"]["status"] == "processing"
        assert daemon.ended() == 0
        took = time.monotonic() - began
    print(f"stopped in {took:.3f} s, {took / GRACE:.2f} graces")
    assert not child.members()
    assert took < 3 * GRACE + MARGIN
    daemon.start()
    assert daemon.stages(job_id)[:3] == ["q", "SIGTERM", "SIGKILL"]
    assert daemon.stages(other)[:1] == ["q"]
    for one in (job_id, other):
        assert daemon.event(one, "requeued")["data"]["why"] == "stop"
        assert daemon.view(one)["attempts"] <= 1, "a stop costs no attempt"
    assert last_daemon_events(daemon, 2) == ["daemon.stopping", "daemon.started"]


def test_a_second_sigterm_kills_at_once(daemon: Daemon) -> None:
    daemon.restart(grace=LONG_GRACE)
    job_id, child = stubborn(daemon, "hurried.mp4")
    with daemon.listener() as listener:
        daemon.signal(signal.SIGTERM)
        listener.wait_for("job.signalled", job_id, stage="q")
        assert child.members()
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
        took = time.monotonic() - began
    print(f"ended {took:.3f} s after the second SIGTERM, with a grace of {LONG_GRACE} s")
    assert not child.members()
    assert took < MARGIN
    daemon.start()
    assert daemon.stages(job_id)[:2] == ["q", "SIGKILL"]


def test_a_stop_right_behind_another_is_none_too_many(daemon: Daemon) -> None:
    """Whatever asks a second time, in whatever order: the daemon ends once, with 0."""
    job_id, child = stubborn(daemon, "asked-often.mp4")
    asked = [daemon.wire.send("shutdown", mode=mode) for mode in ("drain", "stop", "leave", "drain")]
    replies = [daemon.wire.reply_to(one) for one in asked]
    assert [reply["ok"] for reply in replies] == [True, True, False, False]
    assert {reply["error"]["code"] for reply in replies[2:]} == {"busy"}
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    assert not child.members()
    daemon.start()
    assert daemon.event(job_id, "requeued")["data"]["why"] == "stop"


# ---------------------------------------------------------------- leave


def test_leave_lets_children_go_on_for_the_next_daemon_to_adopt(daemon: Daemon) -> None:
    jobs = [noting(daemon, f"left-{number}.mp4", 600) for number in range(2)]
    began = time.monotonic()
    assert daemon.result("shutdown", mode="leave") == {"mode": "leave"}
    assert daemon.ended() == 0
    assert time.monotonic() - began < MARGIN
    for _, child in jobs:
        assert {one.pid for one in child.members()} == {child.shim.pid, child.ffmpeg.pid}
    daemon.start()
    for job_id, child in jobs:
        assert daemon.child(job_id).ffmpeg.pid == child.ffmpeg.pid
        view = daemon.result("cancel", job_id=job_id, wait=30)["job"]
        assert (view["status"], view["attempts"]) == ("cancelled", 1)
        assert not child.members()
        assert noted_runs(daemon.base, job_id) == 1
        assert "requeued" not in daemon.kinds(job_id)


def test_a_child_that_ended_while_no_daemon_was_there_is_judged_by_the_next(daemon: Daemon) -> None:
    job_id, child = noting(daemon, "ended-alone.mp4", 2)
    daemon.result("shutdown", mode="leave")
    assert daemon.ended() == 0
    eventually(lambda: not child.members(), "the child is done")
    daemon.start()
    finished_once(daemon, job_id)


def test_what_was_left_can_still_be_cancelled(daemon: Daemon) -> None:
    job_id, child = stubborn(daemon, "left-stubborn.mp4")
    daemon.result("shutdown", mode="leave")
    assert daemon.ended() == 0
    assert child.members()
    daemon.start()
    view = daemon.result("cancel", job_id=job_id, wait=30)["job"]
    assert view["status"] == "cancelled"
    assert not child.members()


@pytest.mark.parametrize("then", ["stop", "leave", "SIGTERM"])
def test_a_drain_can_be_followed_by_an_end_that_does_not_wait(daemon: Daemon, then: str) -> None:
    job_id, child = noting(daemon, f"drained-{then}.mp4", 2 if then == "leave" else 600)
    daemon.result("shutdown", mode="drain")
    assert daemon.result("status")["draining"] is True
    began = time.monotonic()
    if then == "SIGTERM":
        daemon.signal(signal.SIGTERM)
    else:
        assert daemon.result("shutdown", mode=then) == {"mode": then}
    assert daemon.ended() == 0
    assert time.monotonic() - began < 3 * GRACE + MARGIN
    if then == "leave":
        assert child.members()
        daemon.start()
        finished_once(daemon, job_id)
    else:
        assert not child.members()
        daemon.start()
        assert daemon.event(job_id, "requeued")["data"]["why"] == "stop"
    assert daemon.result("status")["draining"] is False
