"""A cancel in the same instant as something else: whatever comes first, all that is told of it agrees."""

import random
from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.jobs import picture, quick
from tests.support.media import Clips
from tests.support.processes import eventually
from tests.support.wire import Listener, Map

TRIES = 10


def agrees(daemon: Daemon, clips: Clips, job_id: str, target: Path, reply: Map) -> str:
    """Check that the reply, the view, the events and the disk tell one story; which one."""
    view = daemon.view(job_id)
    kinds = daemon.kinds(job_id)
    assert not list(daemon.out.glob(f".rushes-{job_id}*"))
    if view["status"] == "cancelled":
        assert reply["result"]["changed"] is True
        assert kinds[-1] == "cancelled"
        assert view["cancel"] is not None
        assert view["completed_outputs"] == 0
        assert not target.exists()
        return "cancelled"
    assert view["status"] == "completed"
    assert kinds[-1] == "completed"
    assert clips.probe(target).duration == pytest.approx(0.5, abs=0.1)
    if reply["ok"]:
        assert reply["result"]["job"]["status"] == "completed"
        assert reply["result"]["changed"] is False
        assert came_too_late(daemon.event(job_id, "completed"))
    else:
        assert reply["error"]["code"] == "conflict"
        assert reply["error"]["details"]["job"]["status"] == "completed"
        assert not came_too_late(daemon.event(job_id, "completed"))
    return "completed"


def came_too_late(event: Map) -> bool:
    """Whether a terminal event says that a cancel came too late."""
    return bool(event["data"].get("cancel_too_late"))


def test_a_cancel_at_any_moment_of_a_short_life_has_a_consistent_outcome(
    daemon: Daemon, listener: Listener, clips: Clips
) -> None:
    chance = random.Random()
    for number in range(TRIES):
        target = daemon.out / f"race-{number}.mp4"
        job_id = daemon.submit(quick(target))["id"]
        listener.wait_for("job.output_started", job_id)
        passes(listener, chance.uniform(0, 0.15))
        reply = daemon.ask("cancel", job_id=job_id, wait=30)
        agrees(daemon, clips, job_id, target, reply)


def passes(listener: Listener, seconds: float) -> None:
    """Let a random time pass, as strangers do; nothing is expected to have happened after it."""
    with pytest.raises(TimeoutError):
        listener.wait_for("never", timeout=seconds)


def test_a_cancel_as_soon_as_the_last_output_is_heard_of_comes_too_late(
    daemon: Daemon, listener: Listener, clips: Clips
) -> None:
    for number in range(TRIES // 2):
        target = daemon.out / f"late-{number}.mp4"
        job_id = daemon.submit(quick(target))["id"]
        listener.wait_for("job.output_completed", job_id)
        reply = daemon.ask("cancel", job_id=job_id, wait=30)
        assert agrees(daemon, clips, job_id, target, reply) == "completed"


def test_a_cancel_with_the_submit_still_under_way_has_a_consistent_outcome(daemon: Daemon, clips: Clips) -> None:
    for number in range(TRIES // 2):
        target = daemon.out / f"early-{number}.mp4"
        job_id = daemon.submit(quick(target))["id"]
        reply = daemon.ask("cancel", job_id=job_id, wait=30)
        agrees(daemon, clips, job_id, target, reply)


def test_a_cancel_between_two_outputs_keeps_the_first_and_leaves_none_of_the_second(
    daemon: Daemon, listener: Listener
) -> None:
    endless = [picture(real_time=True)]
    for number in range(TRIES // 3):
        first, second = daemon.out / f"first-{number}.mp4", daemon.out / f"second-{number}.mp4"
        job = quick(first, second)
        job["outputs"][1]["inputs"] = endless
        job_id = daemon.submit(job)["id"]
        listener.wait_for("job.output_completed", job_id)
        view = daemon.result("cancel", job_id=job_id, wait=30)["job"]
        assert [output["status"] for output in view["outputs"]] == ["completed", "cancelled"]
        assert view["status"] == "cancelled"
        assert first.exists()
        assert not second.exists()
        assert daemon.kinds(job_id).count("output_completed") == 1


def test_a_boost_in_the_instant_of_the_start_is_done_or_a_conflict(daemon: Daemon) -> None:
    for number in range(TRIES // 2):
        daemon.result("drain")
        job_id = daemon.submit(quick(daemon.out / f"boost-{number}.mp4"))["id"]
        daemon.wire.send("resume")
        reply = daemon.ask("boost", job_id=job_id, front=True)
        if not reply["ok"]:
            assert reply["error"]["code"] == "conflict"
            assert reply["error"]["details"]["job"]["status"] in {"processing", "completed"}
        else:
            assert reply["result"]["position"] == 1
        assert daemon.outcome(job_id)["status"] == "completed"
        assert ("boosted" in daemon.kinds(job_id)) == reply["ok"]


def test_many_cancels_of_many_jobs_under_way_at_once_are_each_answered(daemon: Daemon) -> None:
    jobs = [
        daemon.wire.send("submit", job=quick(daemon.out / f"many-{number}.mp4", session="crowd"))
        for number in range(30)
    ]
    ids = [daemon.wire.reply_to(command_id)["result"]["job"]["id"] for command_id in jobs]
    asked = [daemon.wire.send("cancel", job_id=job_id) for job_id in reversed(ids)]
    for command_id in asked:
        reply = daemon.wire.reply_to(command_id)
        assert reply["ok"] or reply["error"]["code"] == "conflict"
    eventually(
        lambda: not daemon.result("list", session="crowd", status=["queued", "processing"])["jobs"],
        "all have ended",
    )
    for job_id in ids:
        assert daemon.view(job_id)["status"] in {"cancelled", "completed"}
