"""PROTOCOL.md: `drain`, `resume`, `shutdown`, SIGTERM."""

import getpass
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.contract import EVENT, check
from tests.support.daemon import Daemon, serving
from tests.support.fakes import noted_runs, tempered
from tests.support.jobs import lasting, quick
from tests.support.media import Clips
from tests.support.processes import eventually


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


def daemon_kinds(daemon: Daemon) -> list[str]:
    return [event["type"] for event in daemon.events() if event["type"].startswith("daemon.")]


def test_a_draining_daemon_takes_jobs_but_starts_none(daemon: Daemon) -> None:
    since = daemon.result("status")["last_seq"]
    assert daemon.result("drain") == {"draining": True}
    job_id = daemon.submit(quick(daemon.out / "drained.mp4"))["id"]
    assert daemon.result("status")["draining"] is True
    assert daemon.view(job_id)["status"] == "queued"
    assert daemon.result("resume") == {"draining": False}
    assert daemon.outcome(job_id)["status"] == "completed"
    kinds = [event["type"] for event in daemon.events(since=since)]
    assert kinds.index("daemon.resumed") < kinds.index("job.started")


def test_what_runs_is_finished_while_draining(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "runs.mp4", 2))
    daemon.result("drain")
    assert daemon.outcome(job_id)["status"] == "completed"


def test_drain_and_resume_are_events(daemon: Daemon) -> None:
    with daemon.listener("daemon.") as listener:
        daemon.result("drain")
        daemon.result("resume")
        for kind in ("daemon.draining", "daemon.resumed"):
            event = listener.wait_for(kind)
            check(event, EVENT)
            assert event["job_id"] is None
    assert daemon_kinds(daemon)[-2:] == ["daemon.draining", "daemon.resumed"]


@pytest.mark.parametrize("end", [Daemon.kill9, Daemon.terminate])
def test_draining_goes_on_over_a_restart(daemon: Daemon, end: Callable[[Daemon], object]) -> None:
    daemon.result("drain")
    job_id = daemon.submit(quick(daemon.out / f"later-{end.__name__}.mp4"))["id"]
    end(daemon)
    daemon.start()
    assert daemon.result("status")["draining"] is True
    assert daemon.view(job_id)["status"] == "queued"
    daemon.result("resume")
    assert daemon.outcome(job_id)["status"] == "completed"


def test_shutdown_stop_queues_the_running_job_again_and_the_next_daemon_finishes_it(
    daemon: Daemon, clips: Clips
) -> None:
    target = daemon.out / "stopped.mp4"
    job_id = daemon.rendering(lasting(target, 2))
    child = daemon.child(job_id)
    assert daemon.result("shutdown", mode="stop") == {"mode": "stop"}
    assert daemon.ended() == 0
    assert not child.members()
    assert not target.exists()
    assert not list(daemon.out.glob(".rushes-*"))
    daemon.start()
    view = daemon.outcome(job_id)
    assert view["status"] == "completed"
    assert clips.probe(target).duration == pytest.approx(2, abs=0.3)
    requeued = daemon.event(job_id, "requeued")
    assert requeued["data"]["why"] == "stop"
    assert daemon_kinds(daemon)[-2:] == ["daemon.stopping", "daemon.started"]


def test_a_stop_costs_the_job_no_attempt(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "attempts.mp4", 2, max_attempts=1))
    daemon.terminate()
    daemon.start()
    assert daemon.outcome(job_id)["status"] == "completed"


def test_shutdown_stop_is_the_default(daemon: Daemon) -> None:
    assert daemon.result("shutdown") == {"mode": "stop"}
    assert daemon.ended() == 0


def test_shutdown_drain_lets_the_running_jobs_finish_and_keeps_the_queue(daemon: Daemon) -> None:
    running = daemon.submit(lasting(daemon.out / "running.mp4", 1.2))["id"]
    also = daemon.submit(lasting(daemon.out / "also.mp4", 1.2))["id"]
    queued = daemon.submit(quick(daemon.out / "queued.mp4"))["id"]
    assert daemon.result("shutdown", mode="drain") == {"mode": "drain"}
    assert daemon.ended() == 0
    assert (daemon.out / "running.mp4").exists()
    assert not (daemon.out / "queued.mp4").exists()
    daemon.start()
    for job_id in (running, also):
        assert daemon.view(job_id)["status"] == "completed"
        assert daemon.kinds(job_id).count("started") == 1
    assert daemon.result("status")["draining"] is False
    assert daemon.outcome(queued)["status"] == "completed"


def test_a_daemon_that_is_ending_still_tells_and_cancels_but_takes_nothing_new(daemon: Daemon) -> None:
    job_id = daemon.underway(lasting(daemon.out / "last.mp4"))
    daemon.result("shutdown", mode="drain")
    assert daemon.refusal("submit", job=quick(daemon.out / "too-late.mp4"))["code"] == "busy"
    assert daemon.view(job_id)["status"] == "processing"
    assert daemon.result("status")["running"] == 1
    daemon.result("cancel", job_id=job_id, wait=30)
    assert daemon.ended() == 0


def test_shutdown_drain_can_be_followed_by_stop(daemon: Daemon) -> None:
    daemon.underway(lasting(daemon.out / "long.mp4"))
    daemon.result("shutdown", mode="drain")
    assert daemon.result("shutdown", mode="stop") == {"mode": "stop"}
    assert daemon.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_shutdown_stop(daemon: Daemon, number: signal.Signals) -> None:
    job_id = daemon.underway(lasting(daemon.out / "signal.mp4"))
    child = daemon.child(job_id)
    daemon.signal(number)
    assert daemon.ended() == 0
    assert not child.members()
    daemon.start()
    assert daemon.event(job_id, "requeued")["data"]["why"] == "stop"
    (stopping,) = [event for event in daemon.events() if event["type"] == "daemon.stopping"][-1:]
    assert (stopping["by"], stopping["command_id"]) == (getpass.getuser(), None)
    assert stopping["data"] == {"mode": "stop", "signal": number.name}


def test_a_stop_kills_an_ffmpeg_that_obeys_nothing(daemon: Daemon) -> None:
    job_id = daemon.submit(tempered(lasting(daemon.out / "stubborn.mp4"), "stubborn"))["id"]
    child = daemon.child(job_id)
    assert daemon.terminate() == 0
    assert not child.members()
    daemon.start()
    assert daemon.stages(job_id)[:3] == ["q", "SIGTERM", "SIGKILL"]


def test_a_second_sigterm_hurts_nothing(daemon: Daemon) -> None:
    job_id = daemon.submit(tempered(lasting(daemon.out / "twice.mp4"), "stubborn"))["id"]
    child = daemon.child(job_id)
    daemon.signal(signal.SIGTERM)
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    assert not child.members()


def test_one_who_waits_for_a_job_is_answered_before_the_daemon_ends(daemon: Daemon) -> None:
    job_id = daemon.underway(lasting(daemon.out / "waited.mp4"))
    held = daemon.wire.send("get", job_id=job_id, wait=600)
    daemon.wire.send("shutdown", id="end")
    replies = {reply["re"]: reply for reply in (daemon.wire.receive(), daemon.wire.receive())}
    assert replies["end"]["ok"] is True
    answer = replies[held]
    assert answer["ok"] is True or answer["error"]["code"] == "busy"
    assert daemon.ended() == 0


def test_outputs_that_were_complete_before_a_stop_are_not_rendered_again(daemon: Daemon) -> None:
    job = tempered(quick(daemon.out / "first.mp4", daemon.out / "second.mp4"), "noting")
    job["outputs"][1]["inputs"] = lasting(daemon.out, 1.5)["inputs"]
    job_id = daemon.submit(job)["id"]
    eventually(lambda: noted_runs(daemon.base, job_id) == 2, "the second output renders")
    before = (daemon.out / "first.mp4").stat()
    daemon.terminate()
    daemon.start()
    assert daemon.outcome(job_id)["status"] == "completed"
    assert (daemon.out / "first.mp4").stat() == before
    assert noted_runs(daemon.base, job_id) == 3, "the first once, the second twice"
