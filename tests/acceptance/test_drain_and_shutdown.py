"""PROTOCOL.md: `drain`, `resume`, `shutdown`, SIGTERM."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.contract import EVENT, check
from tests.support.daemon import Daemon
from tests.support.fakes import fake_ffmpeg, recorded_runs
from tests.support.jobs import lasting, quick
from tests.support.media import Clips
from tests.support.processes import eventually

Start = Callable[..., Daemon]


def daemon_kinds(daemon: Daemon) -> list[str]:
    return [event["type"] for event in daemon.events() if event["type"].startswith("daemon.")]


def test_a_draining_daemon_takes_jobs_but_starts_none(daemon: Daemon) -> None:
    assert daemon.result("drain") == {"draining": True}
    job_id = daemon.submit(quick(daemon.out / "drained.mp4"))["id"]
    with daemon.listener() as listener:
        listener.await_heartbeat()
    assert daemon.view(job_id)["status"] == "queued"
    assert daemon.result("status")["draining"] is True
    assert daemon.result("resume") == {"draining": False}
    assert daemon.outcome(job_id)["status"] == "completed"


def test_what_runs_is_finished_while_draining(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "runs.mp4", 1.5))
    daemon.result("drain")
    assert daemon.outcome(job_id)["status"] == "completed"


def test_drain_and_resume_are_events(own: Daemon) -> None:
    with own.listener("daemon.") as listener:
        own.result("drain")
        own.result("resume")
        for kind in ("daemon.draining", "daemon.resumed"):
            event = listener.wait_for(kind)
            check(event, EVENT)
            assert event["job_id"] is None
    assert daemon_kinds(own) == ["daemon.started", "daemon.draining", "daemon.resumed"]


@pytest.mark.parametrize("end", [Daemon.kill9, Daemon.terminate])
def test_draining_goes_on_over_a_restart(own: Daemon, end: Callable[[Daemon], object]) -> None:
    own.result("drain")
    job_id = own.submit(quick(own.out / "later.mp4"))["id"]
    end(own)
    own.start()
    assert own.result("status")["draining"] is True
    assert own.view(job_id)["status"] == "queued"
    own.result("resume")
    assert own.outcome(job_id)["status"] == "completed"


def test_shutdown_stop_queues_the_running_job_again_and_the_next_daemon_finishes_it(own: Daemon, clips: Clips) -> None:
    target = own.out / "stopped.mp4"
    job_id = own.rendering(lasting(target, 2))
    child = own.child(job_id)
    assert own.result("shutdown", mode="stop") == {"mode": "stop"}
    assert own.ended() == 0
    assert not child.members()
    assert list(own.out.iterdir()) == []
    own.start()
    view = own.outcome(job_id)
    assert view["status"] == "completed"
    assert clips.probe(target).duration == pytest.approx(2, abs=0.3)
    requeued = own.event(job_id, "requeued")
    assert requeued["data"]["why"] == "stop"
    assert daemon_kinds(own) == ["daemon.started", "daemon.stopping", "daemon.started"]


def test_a_stop_costs_the_job_no_attempt(own: Daemon) -> None:
    job_id = own.rendering(lasting(own.out / "attempts.mp4", 2, max_attempts=1))
    own.terminate()
    own.start()
    assert own.outcome(job_id)["status"] == "completed"


def test_shutdown_stop_is_the_default(own: Daemon) -> None:
    assert own.result("shutdown") == {"mode": "stop"}
    assert own.ended() == 0


def test_shutdown_drain_lets_the_running_job_finish_and_keeps_the_queue(start: Start) -> None:
    daemon = start(slots=1)
    running = daemon.rendering(lasting(daemon.out / "running.mp4", 1.5))
    queued = daemon.submit(quick(daemon.out / "queued.mp4"))["id"]
    assert daemon.result("shutdown", mode="drain") == {"mode": "drain"}
    assert daemon.ended() == 0
    assert (daemon.out / "running.mp4").exists()
    assert not (daemon.out / "queued.mp4").exists()
    daemon.start()
    assert daemon.view(running)["status"] == "completed"
    assert daemon.kinds(running).count("started") == 1
    assert daemon.result("status")["draining"] is False
    assert daemon.outcome(queued)["status"] == "completed"


def test_shutdown_drain_can_be_followed_by_stop(own: Daemon) -> None:
    own.rendering(lasting(own.out / "long.mp4"))
    own.result("shutdown", mode="drain")
    assert own.result("shutdown", mode="stop") == {"mode": "stop"}
    assert own.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_shutdown_stop(own: Daemon, number: signal.Signals) -> None:
    job_id = own.rendering(lasting(own.out / "signal.mp4"))
    child = own.child(job_id)
    own.signal(number)
    assert own.ended() == 0
    assert not child.members()
    own.start()
    assert own.event(job_id, "requeued")["data"]["why"] == "stop"


def test_a_stop_kills_an_ffmpeg_that_obeys_nothing(start: Start, ffmpeg: Path, tmp_path: Path) -> None:
    daemon = start(grace=0.2, ffmpeg=fake_ffmpeg("stubborn", tmp_path, ffmpeg))
    job_id = daemon.submit(lasting(daemon.out / "stubborn.mp4"))["id"]
    child = daemon.child(job_id)
    assert daemon.terminate() == 0
    assert not child.members()
    daemon.start()
    assert daemon.stages(job_id)[:3] == ["q", "SIGTERM", "SIGKILL"]


def test_a_second_sigterm_hurts_nothing(start: Start, ffmpeg: Path, tmp_path: Path) -> None:
    daemon = start(grace=0.3, ffmpeg=fake_ffmpeg("stubborn", tmp_path, ffmpeg))
    job_id = daemon.submit(lasting(daemon.out / "twice.mp4"))["id"]
    child = daemon.child(job_id)
    daemon.signal(signal.SIGTERM)
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    assert not child.members()


def test_one_who_waits_for_a_job_is_answered_before_the_daemon_ends(own: Daemon) -> None:
    job_id = own.rendering(lasting(own.out / "waited.mp4"))
    held = own.wire.send("get", job_id=job_id, wait=600)
    own.wire.send("shutdown", id="end")
    replies = {reply["re"]: reply for reply in (own.wire.receive(), own.wire.receive())}
    assert replies["end"]["ok"] is True
    answer = replies[held]
    assert answer["ok"] is True or answer["error"]["code"] == "busy"
    assert own.ended() == 0


def test_outputs_that_were_complete_before_a_stop_are_not_rendered_again(
    start: Start, ffmpeg: Path, tmp_path: Path
) -> None:
    daemon = start(ffmpeg=fake_ffmpeg("recording", tmp_path, ffmpeg))
    job = quick(daemon.out / "first.mp4", daemon.out / "second.mp4")
    job["outputs"][1]["inputs"] = lasting(daemon.out, 1.5)["inputs"]
    job_id = daemon.submit(job)["id"]
    eventually(lambda: daemon.kinds(job_id).count("output_started") == 2, "the second output renders")
    before = (daemon.out / "first.mp4").stat()
    daemon.terminate()
    daemon.start()
    assert daemon.outcome(job_id)["status"] == "completed"
    assert (daemon.out / "first.mp4").stat() == before
    assert len(recorded_runs(tmp_path)) == 3, "the first once, the second twice"
