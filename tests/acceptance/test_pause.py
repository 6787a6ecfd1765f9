"""PROTOCOL.md, `pause` and `unpause`: a queued job keeps its place, a running one its child, which stands still."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contract import JOB, check
from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.processes import Process, eventually
from tests.support.shell import Shell
from tests.support.wire import Map


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    with serving(slots=1) as daemon:
        yield daemon


def ffmpeg(daemon: Daemon, job_id: str) -> Process:
    return daemon.child(job_id).ffmpeg


def stands_still(daemon: Daemon, job_id: str) -> bool:
    """The kernel has FFmpeg stopped, with every process of its group but the shim: once each has come to its signal."""
    child = daemon.child(job_id)

    def look() -> bool:
        return {one.state for one in child.members() if one.pid != child.shim.pid} == {"T"}

    return eventually(look, f"the child of job {job_id} stands still")


def paused(daemon: Daemon, job: Map, **fields: object) -> str:
    """The id of a job that rendered and is paused."""
    job_id = daemon.rendering(job)
    daemon.result("pause", job_id=job_id, **fields)
    daemon.event(job_id, "paused")
    return job_id


# ---------------------------------------------------------------- in the queue


def test_a_paused_job_keeps_its_place_and_those_behind_it_run(held: Daemon) -> None:
    first, second = (held.submit(quick(held.out / f"{name}.mp4"))["id"] for name in ("place-1", "place-2"))
    result = held.result("pause", job_id=first)
    check(result["job"], JOB)
    assert result["changed"]
    assert result["job"]["waiting"]["why"] == "paused"
    assert (held.view(first)["position"], held.view(second)["position"]) == (1, 2)
    held.result("resume")
    assert held.outcome(second)["status"] == "completed"
    assert (held.view(first)["status"], held.view(first)["phase"]) == ("queued", None)
    assert held.result("unpause", job_id=first)["changed"]
    view = held.outcome(first)
    assert (view["status"], view["paused"]) == ("completed", None)
    assert held.kinds(first)[:4] == ["submitted", "paused", "unpaused", "started"]


def test_whoever_pauses_twice_changes_nothing(held: Daemon) -> None:
    job_id = held.submit(quick(held.out / "twice.mp4"))["id"]
    first = held.result("pause", job_id=job_id)["job"]["paused"]
    again = held.result("pause", job_id=job_id)
    assert (again["changed"], again["job"]["paused"]) == (False, first)
    held.result("unpause", job_id=job_id)
    assert not held.result("unpause", job_id=job_id)["changed"]
    assert held.kinds(job_id) == ["submitted", "paused", "unpaused"]


@pytest.mark.parametrize("kind", ["pause", "unpause"])
def test_a_held_reply_says_whether_something_was_changed(held: Daemon, kind: str) -> None:
    job_id = held.submit(quick(held.out / "reply.mp4"))["id"]
    if kind == "unpause":
        held.result("pause", job_id=job_id)
    asked = held.wire.send(kind, job_id=job_id, wait=20)
    held.event(job_id, f"{kind}d")
    held.result("cancel", job_id=job_id)
    result = held.wire.reply_to(asked)["result"]
    assert (result["changed"], result["job"]["status"]) == (True, "cancelled")


def test_a_paused_job_can_be_boosted_and_cancelled_and_is_not_paused_afterwards(held: Daemon) -> None:
    job_id = held.submit(quick(held.out / "boosted.mp4"))["id"]
    held.result("pause", job_id=job_id)
    assert held.result("boost", job_id=job_id, front=True)["job"]["paused"]
    view = held.result("cancel", job_id=job_id)["job"]
    assert (view["status"], view["paused"]) == ("cancelled", None)


@pytest.mark.parametrize("kind", ["pause", "unpause"])
def test_what_has_ended_cannot_be_paused(held: Daemon, kind: str) -> None:
    job_id = held.submit(quick(held.out / f"ended-{kind}.mp4"))["id"]
    held.result("cancel", job_id=job_id)
    refusal = held.refusal(kind, job_id=job_id)
    assert (refusal["code"], refusal["details"]["job"]["status"]) == ("conflict", "cancelled")
    assert held.refusal(kind, job_id="nobody")["code"] == "not_found"


def test_a_pause_outlives_the_daemon(daemon: Daemon) -> None:
    daemon.result("drain")
    job_id = daemon.submit(quick(daemon.out / "outlives.mp4"))["id"]
    daemon.result("pause", job_id=job_id)
    daemon.result("resume")
    daemon.kill9()
    daemon.start()
    assert daemon.outcome(daemon.submit(quick(daemon.out / "after.mp4"))["id"])["status"] == "completed"
    assert daemon.view(job_id)["status"] == "queued"
    daemon.result("unpause", job_id=job_id)
    assert daemon.outcome(job_id)["status"] == "completed"


# ---------------------------------------------------------------- in the middle of a run


def test_a_paused_run_stands_still_and_goes_on_where_it_was(daemon: Daemon) -> None:
    job_id = paused(daemon, lasting(daemon.out / "still.mp4", 3))
    before = ffmpeg(daemon, job_id)
    assert stands_still(daemon, job_id)
    view = daemon.view(job_id)
    check(view, JOB)
    assert (view["status"], view["phase"], view["paused"]["released"]) == ("processing", "paused", False)
    assert view["outputs"][0]["eta"] is None
    daemon.result("unpause", job_id=job_id)
    assert ffmpeg(daemon, job_id).pid == before.pid
    done = daemon.outcome(job_id)
    assert (done["status"], done["attempts"], done["paused"]) == ("completed", 1, None)
    assert daemon.kinds(job_id) == [
        "submitted", "started", "output_started", "paused", "unpaused", "output_completed", "completed",
    ]  # fmt: skip


def test_a_paused_run_keeps_its_slot(daemon: Daemon) -> None:
    job_id = paused(daemon, lasting(daemon.out / "keeps.mp4"))
    other = daemon.submit(quick(daemon.out / "other.mp4"))["id"]
    assert daemon.view(other)["status"] == "queued"
    assert daemon.result("status")["resources"]["cpu"]["used"] == 1
    daemon.result("cancel", job_id=job_id, wait=20)
    assert daemon.outcome(other)["status"] == "completed"


def test_one_that_gives_up_its_slot_goes_on_when_it_has_it_again_and_before_the_queue(daemon: Daemon) -> None:
    job_id = paused(daemon, lasting(daemon.out / "gives.mp4", 3), release=True)
    other = daemon.rendering(lasting(daemon.out / "takes.mp4"))
    third = daemon.submit(lasting(daemon.out / "third.mp4"))["id"]
    view = daemon.result("unpause", job_id=job_id)["job"]
    assert (view["phase"], view["waiting"]["why"], view["paused"]["released"]) == ("paused", "slots", True)
    assert stands_still(daemon, job_id)
    daemon.result("cancel", job_id=other, wait=20)
    unpaused = daemon.event(job_id, "unpaused")
    assert unpaused["by"] is not None
    assert daemon.outcome(job_id)["status"] == "completed"
    assert daemon.event(third, "started")["seq"] > unpaused["seq"]


def test_a_queue_of_small_jobs_does_not_keep_a_large_one_from_going_on() -> None:
    with serving(slots=2) as daemon:
        large = paused(daemon, {**lasting(daemon.out / "large.mp4", 3), "resources": {"cpu": 2}}, release=True)
        small = [daemon.submit(lasting(daemon.out / f"small-{number}.mp4"))["id"] for number in range(4)]
        daemon.event(small[1], "output_started")
        daemon.result("unpause", job_id=large)
        daemon.result("cancel", job_id=small[0], wait=20)
        assert daemon.view(small[2])["status"] == "queued"
        daemon.result("cancel", job_id=small[1], wait=20)
        daemon.event(large, "unpaused")
        assert daemon.outcome(large)["status"] == "completed"


@pytest.mark.parametrize("ends", ["cancel", "shutdown"])
def test_slots_that_were_given_up_are_not_given_back_twice(daemon: Daemon, ends: str) -> None:
    job_id = paused(daemon, lasting(daemon.out / f"twice-{ends}.mp4"), release=True)
    assert daemon.result("status")["resources"]["cpu"]["used"] == 0
    if ends == "cancel":
        daemon.result("cancel", job_id=job_id, wait=20)
    else:
        daemon.result("shutdown")
        daemon.ended()
        daemon.start()
    assert daemon.result("status")["resources"]["cpu"]["used"] == 0
    for number in range(2):
        daemon.submit(lasting(daemon.out / f"after-{ends}-{number}.mp4"))
    assert daemon.result("status")["running"] == 1


def test_one_that_is_to_go_on_does_so_in_a_drain(daemon: Daemon) -> None:
    job_id = paused(daemon, lasting(daemon.out / "drain.mp4", 2), release=True)
    daemon.result("drain")
    daemon.result("unpause", job_id=job_id)
    assert daemon.outcome(job_id)["status"] == "completed"


def test_a_slot_may_be_given_up_later(daemon: Daemon) -> None:
    job_id = paused(daemon, lasting(daemon.out / "later.mp4"))
    other = daemon.submit(quick(daemon.out / "at-last.mp4"))["id"]
    assert daemon.result("pause", job_id=job_id, release=True)["changed"]
    assert daemon.outcome(other)["status"] == "completed"


def test_a_paused_run_that_was_to_go_on_can_be_held_again(daemon: Daemon) -> None:
    job_id = paused(daemon, lasting(daemon.out / "again.mp4"), release=True)
    other = daemon.rendering(lasting(daemon.out / "in-between.mp4"))
    daemon.result("unpause", job_id=job_id)
    view = daemon.result("pause", job_id=job_id, release=True)["job"]
    assert view["waiting"] is None
    daemon.result("cancel", job_id=other, wait=20)
    assert daemon.view(job_id)["phase"] == "paused"


def test_a_cancel_of_a_paused_run_lets_it_go_on_first(daemon: Daemon) -> None:
    job_id = paused(daemon, lasting(daemon.out / "cancelled.mp4"))
    view = daemon.result("cancel", job_id=job_id, wait=20)["job"]
    assert (view["status"], view["paused"]) == ("cancelled", None)
    assert [event["data"]["stage"] for event in daemon.events(job_id) if event["type"] == "job.signalled"] == ["q"]
    assert not list(daemon.out.glob(f"*{job_id}*"))


def test_one_that_is_being_stopped_cannot_be_paused(stubborn: Daemon) -> None:
    job_id = stubborn.rendering(tempered(lasting(stubborn.out / "stopping.mp4"), "stubborn"))
    stubborn.result("cancel", job_id=job_id)
    assert stubborn.refusal("pause", job_id=job_id)["code"] == "conflict"


@pytest.fixture
def stubborn(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=1, grace=1, ffmpeg=temperamental) as found:
        yield found


@pytest.mark.parametrize("held_by", ["the next daemon", "the daemon that dies"])
def test_no_timeout_counts_a_pause(daemon: Daemon, held_by: str) -> None:
    """Of a job that may take 2.5 seconds and is held for 3, before or after a crash of the daemon.

    FFmpeg paces itself by the clock: once it may go on, it makes up for what it missed.
    """
    job_id = paused(daemon, lasting(daemon.out / "timeout.mp4", 2, timeout=2.5, stall_timeout=2, overwrite=True))
    daemon.result("slots", slots={"cpu": 2})
    if held_by == "the next daemon":
        daemon.kill9()
        daemon.start()
    for number in range(2):  # something that takes its time
        pastime = lasting(daemon.out / f"pastime-{number}.mp4", 1.5, overwrite=True)
        assert daemon.outcome(daemon.submit(pastime)["id"])["status"] == "completed"
    if held_by == "the daemon that dies":
        daemon.kill9()
        daemon.start()
    assert stands_still(daemon, job_id)
    daemon.result("unpause", job_id=job_id)
    view = daemon.outcome(job_id)
    assert (view["status"], view["error"], view["attempts"]) == ("completed", None, 1)
    daemon.result("slots", slots={"cpu": 1})  # they outlive this test, and the daemon


def test_a_pause_of_a_run_outlives_the_daemon_and_its_end_too(daemon: Daemon) -> None:
    job_id = paused(daemon, lasting(daemon.out / "crash.mp4", 3))
    pid = ffmpeg(daemon, job_id).pid
    daemon.kill9()
    daemon.start()
    assert daemon.view(job_id)["phase"] == "paused"
    assert (stands_still(daemon, job_id), ffmpeg(daemon, job_id).pid) == (True, pid)
    daemon.result("unpause", job_id=job_id)
    assert daemon.outcome(job_id)["status"] == "completed"


def test_a_stop_of_the_daemon_queues_a_paused_run_again_and_leaves_it_paused(daemon: Daemon) -> None:
    job_id = paused(daemon, lasting(daemon.out / "stop.mp4"), release=True)
    daemon.result("shutdown")
    assert daemon.ended() == 0
    daemon.start()
    view = daemon.view(job_id)
    assert (view["status"], view["paused"]["released"], view["attempts"]) == ("queued", False, 0)
    daemon.result("unpause", job_id=job_id)
    daemon.event(job_id, "output_started")


def test_a_pause_just_before_a_stop_is_told_once(daemon: Daemon) -> None:
    """Whether its Render came to it before the stop, or not."""
    job_id = daemon.rendering(lasting(daemon.out / "just-before.mp4"))
    daemon.result("pause", job_id=job_id)
    daemon.result("shutdown")
    daemon.ended()
    daemon.start()
    assert daemon.view(job_id)["paused"] is not None
    assert daemon.kinds(job_id).count("paused") == 1


def test_no_further_output_is_begun_while_the_job_is_paused(daemon: Daemon) -> None:
    first, second = (lasting(daemon.out / f"{name}.mp4", 1.5)["outputs"][0] for name in ("one", "two"))
    job = {**lasting(daemon.out / "both.mp4", 1.5), "outputs": [first, second]}
    job_id = daemon.rendering(job)
    child = daemon.child(job_id)
    daemon.result("pause", job_id=job_id)
    daemon.event(job_id, "paused")
    os.kill(child.ffmpeg.pid, signal.SIGCONT)  # somebody else lets it go on: it ends, and nothing follows it
    daemon.event(job_id, "output_completed")
    assert daemon.view(job_id)["outputs"][1]["status"] == "pending"
    daemon.result("unpause", job_id=job_id)
    assert daemon.outcome(job_id)["completed_outputs"] == 2


def test_a_paused_child_that_somebody_kills_is_noticed(daemon: Daemon) -> None:
    job_id = paused(daemon, lasting(daemon.out / "killed.mp4"))
    os.kill(ffmpeg(daemon, job_id).pid, signal.SIGKILL)
    assert daemon.outcome(job_id)["error"]["code"] == "killed"


def test_pausing_from_a_shell(daemon: Daemon) -> None:
    shell = Shell(daemon.bus, daemon.out)
    job_id = daemon.rendering(lasting(daemon.out / "shell.mp4", name="scene"))
    assert shell.do("pause", job_id) == f"{job_id} paused: scene\n"
    eventually(lambda: daemon.view(job_id)["phase"] == "paused", "it is paused")
    [status] = [line for line in shell.do("show", job_id).splitlines() if line.startswith("status")]
    assert status.split()[:2] == ["status", "paused"]
    assert status.count("paused") == 1
    assert "paused" in shell.do("list")
    assert shell.do("pause", job_id) == f"{job_id} was paused before: scene\n"
    assert shell.do("unpause", "--status", "processing") == f"{job_id} goes on: scene\n"
    assert shell.do("unpause", job_id) == f"{job_id} is not paused: scene\n"
    assert shell.do("pause", job_id, "--release")
    daemon.event(daemon.submit(lasting(daemon.out / "shell-takes.mp4"))["id"], "output_started")
    assert shell.do("unpause", job_id) == f"{job_id} goes on when it has its slots: scene\n"
    assert shell.do("unpause", job_id) == f"{job_id} waits for its slots already: scene\n"
