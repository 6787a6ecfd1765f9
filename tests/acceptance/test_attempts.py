"""`retry`, `max_attempts`, `timeout`, `stall_timeout`: what happens when a render fails."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contract import ERROR, JOB, check
from tests.support.daemon import Daemon, serving
from tests.support.fakes import noted_runs, tempered
from tests.support.jobs import lasting, quick
from tests.support.media import Clips


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


def identity(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def test_a_failed_job_is_retried_and_what_was_complete_is_not_rendered_again(daemon: Daemon, clips: Clips) -> None:
    targets = [daemon.out / f"{name}.mp4" for name in ("first", "second", "third")]
    late = daemon.out / "late.mov"
    late.write_bytes(b"not yet a film")
    job = tempered(quick(*targets), "noting")
    job["outputs"][1]["inputs"] = [{"path": str(late)}]
    failed = daemon.finish(job)
    assert [output["status"] for output in failed["outputs"]] == ["completed", "failed", "pending"]
    check(failed, JOB)
    check(failed["error"], ERROR)
    before = identity(targets[0])
    late.write_bytes(clips.clip().read_bytes())
    retried = daemon.result("retry", job_id=failed["id"])["job"]
    assert (retried["status"], retried["error"], retried["position"]) == ("queued", None, 1)
    done = daemon.outcome(failed["id"])
    assert (done["status"], done["completed_outputs"]) == ("completed", 3)
    assert identity(targets[0]) == before
    assert noted_runs(daemon.base, failed["id"]) == 4, "the first once, the second twice, the third once"
    assert daemon.event(failed["id"], "requeued")["data"]["why"] == "retry"


def test_with_wait_a_retry_is_answered_when_the_job_has_ended(daemon: Daemon) -> None:
    broken = daemon.out / "broken.mov"
    broken.write_bytes(b"no film")
    failed = daemon.finish({**quick(daemon.out / "again.mp4"), "inputs": [{"path": str(broken)}]})
    again = daemon.result("retry", job_id=failed["id"], wait=30)["job"]
    assert (again["status"], again["attempts"]) == ("failed", failed["attempts"] + 1)


def test_only_a_failed_job_can_be_retried(daemon: Daemon) -> None:
    completed = daemon.finish(quick(daemon.out / "completed.mp4"))
    processing = daemon.underway(lasting(daemon.out / "processing.mp4"))
    daemon.result("drain")
    queued = daemon.submit(quick(daemon.out / "queued.mp4"))["id"]
    for job_id, status in ((completed["id"], "completed"), (processing, "processing"), (queued, "queued")):
        error = daemon.refusal("retry", job_id=job_id)
        assert (error["code"], error["details"]["job"]["status"]) == ("conflict", status)
    daemon.result("cancel", job_id=queued)
    assert daemon.refusal("retry", job_id=queued)["code"] == "conflict"


def test_a_retry_whose_output_path_was_taken_meanwhile_is_a_conflict(daemon: Daemon) -> None:
    target, broken = daemon.out / "taken.mp4", daemon.out / "input.mov"
    broken.write_bytes(b"no film")
    failed = daemon.finish({**quick(target), "inputs": [{"path": str(broken)}]})
    holder = daemon.underway(lasting(target))
    assert daemon.refusal("retry", job_id=failed["id"])["code"] == "conflict"
    daemon.result("cancel", job_id=holder, wait=30)
    assert daemon.result("retry", job_id=failed["id"])["job"]["status"] == "queued"


def test_a_job_is_tried_as_often_as_it_may_and_then_fails(daemon: Daemon) -> None:
    view = daemon.finish(tempered(quick(daemon.out / "crash.mp4", max_attempts=3), "crashing"))
    assert (view["status"], view["attempts"], view["max_attempts"]) == ("failed", 3, 3)
    kinds = daemon.kinds(view["id"])
    assert kinds.count("started") == 3
    assert kinds.count("requeued") == 2
    assert kinds[-1] == "failed"
    whys = [event["data"]["why"] for event in daemon.events(view["id"]) if event["type"] == "job.requeued"]
    assert whys == ["attempt", "attempt"]
    assert not (daemon.out / "crash.mp4").exists()
    assert not list(daemon.out.glob(".rushes-*"))


def test_another_attempt_that_succeeds_completes_the_job(daemon: Daemon) -> None:
    view = daemon.finish(tempered(quick(daemon.out / "flaky.mp4", max_attempts=2), "flaky"))
    assert (view["status"], view["attempts"], view["error"]) == ("completed", 2, None)


def test_one_attempt_is_all_there_is_where_nothing_is_said(daemon: Daemon) -> None:
    view = daemon.finish(tempered(quick(daemon.out / "once.mp4"), "flaky"))
    assert (view["status"], view["attempts"]) == ("failed", 1)


def test_an_output_that_takes_longer_than_its_timeout_is_stopped_and_the_job_fails(daemon: Daemon) -> None:
    view = daemon.finish(lasting(daemon.out / "timeout.mp4", timeout=0.7))
    assert view["status"] == "failed"
    assert view["error"]["code"] == "timeout"
    assert daemon.stages(view["id"])[0] == "q"
    assert daemon.kinds(view["id"])[-1] == "failed"
    assert not list(daemon.out.glob("*timeout*"))


def test_the_timeout_is_for_each_output_and_not_for_all(daemon: Daemon) -> None:
    job = lasting(daemon.out / "slow-0.mp4", 1.5, timeout=4)
    job["outputs"] = [{**job["outputs"][0], "path": str(daemon.out / f"slow-{n}.mp4")} for n in range(3)]
    assert daemon.finish(job)["status"] == "completed"


def test_an_ffmpeg_that_makes_no_progress_is_stopped_and_the_job_fails(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "stalled.mp4", stall_timeout=1.5))
    child = daemon.child(job_id)
    os.kill(child.ffmpeg.pid, signal.SIGSTOP)
    view = daemon.outcome(job_id)
    assert (view["status"], view["error"]["code"]) == ("failed", "stalled")
    assert not child.members()
    assert not list(daemon.out.glob("*stalled*"))


def test_an_ffmpeg_that_never_begins_is_stalled_too(daemon: Daemon) -> None:
    view = daemon.finish(tempered(lasting(daemon.out / "never.mp4", stall_timeout=0.5), "stubborn"))
    assert (view["status"], view["error"]["code"]) == ("failed", "stalled")
    assert daemon.stages(view["id"]) == ["q", "SIGTERM", "SIGKILL"]


def test_a_timeout_is_followed_by_another_attempt_where_there_is_one(daemon: Daemon) -> None:
    view = daemon.finish(lasting(daemon.out / "attempts.mp4", timeout=0.5, max_attempts=2))
    assert (view["status"], view["error"]["code"], view["attempts"]) == ("failed", "timeout", 2)


def test_a_job_is_cancelled_between_its_attempts(daemon: Daemon) -> None:
    job_id = daemon.submit(tempered(quick(daemon.out / "between.mp4", max_attempts=20), "crashing"))["id"]
    daemon.event(job_id, "requeued")
    reply = daemon.ask("cancel", job_id=job_id, wait=30)
    view = daemon.outcome(job_id)
    if reply["ok"]:
        assert view["status"] == "cancelled"
        assert daemon.kinds(job_id)[-1] == "cancelled"
    else:
        assert (view["status"], view["attempts"]) == ("failed", 20)
