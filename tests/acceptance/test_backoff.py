"""Another attempt comes later each time, visibly, and only where it can help."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import quick, transcode
from tests.support.media import Clips
from tests.support.wire import Map

BUSY = 0.3
"""Seconds that a turn of the Queue may take on a machine that others use, too."""


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental, env={"RUSHES_RETRY_DELAY": "0.8"}) as daemon:
        yield daemon


@pytest.fixture
def patient(temperamental: Path) -> Iterator[Daemon]:
    """A daemon whose first wait is as long as a wait can be."""
    with serving(slots=1, grace=0.3, ffmpeg=temperamental, env={"RUSHES_RETRY_DELAY": "300"}) as daemon:
        yield daemon


def seconds(event: Map, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(event["at"])).total_seconds()


def test_each_wait_is_longer_than_the_one_before_and_is_kept_to(daemon: Daemon) -> None:
    job_id = daemon.submit(tempered(quick(daemon.out / "waits.mp4", max_attempts=3), "crashing"))["id"]
    view = daemon.outcome(job_id)
    assert (view["status"], view["attempts"]) == ("failed", 3)
    events = daemon.events(job_id)
    waits = [event for event in events if event["type"] == "job.requeued"]
    starts = [event for event in events if event["type"] == "job.started"][1:]
    promised = [seconds(event, event["data"]["not_before"]) for event in waits]
    # An event is told of as of the begin of its turn, and the wait begins later in it.
    assert 0.4 <= promised[0] <= 0.8 + BUSY, "less up to half by chance"
    assert 0.8 <= promised[1] <= 1.6 + BUSY, "doubled"
    for wait, start, least in zip(waits, starts, promised, strict=True):
        assert seconds(wait, start["at"]) >= least - 0.05


def test_what_a_retry_cannot_help_is_not_retried_and_says_what_to_do(daemon: Daemon) -> None:
    job = quick(daemon.out / "encoder.mp4", max_attempts=5)
    job["outputs"][0]["args"] = ["-c:v", "nosuch"]
    view = daemon.finish(job)
    assert (view["status"], view["attempts"]) == ("failed", 1)
    error = view["error"]
    assert (error["code"], error["retryable"], error["remedy"]) == (
        "unknown_encoder", False, "see what this FFmpeg has: ffmpeg -encoders"
    )  # fmt: skip


def test_a_job_that_waits_is_shown_so_and_lets_others_go_first(patient: Daemon) -> None:
    job_id = patient.submit(tempered(quick(patient.out / "first.mp4", max_attempts=2, priority=9), "crashing"))["id"]
    patient.event(job_id, "requeued")
    view = patient.view(job_id)
    assert (view["status"], view["position"], view["waiting"]["why"]) == ("queued", 1, "retry")
    assert view["not_before"] == patient.event(job_id, "requeued")["data"]["not_before"]
    assert patient.finish(quick(patient.out / "other.mp4"))["status"] == "completed"
    assert patient.view(job_id)["status"] == "queued"


def test_a_wait_goes_on_over_the_daemons_death(patient: Daemon) -> None:
    job_id = patient.submit(tempered(quick(patient.out / "over.mp4", max_attempts=2), "flaky"))["id"]
    before = patient.event(job_id, "requeued")["data"]["not_before"]
    patient.restart()
    assert patient.finish(quick(patient.out / "other.mp4"))["status"] == "completed"
    assert (patient.view(job_id)["status"], patient.view(job_id)["not_before"]) == ("queued", before)


def test_one_that_waits_can_be_cancelled_and_deleted(patient: Daemon) -> None:
    ids = [
        patient.submit(tempered(quick(patient.out / f"{n}.mp4", max_attempts=2), "crashing"))["id"] for n in range(2)
    ]
    for job_id in ids:
        patient.event(job_id, "requeued")
    view = patient.result("cancel", job_id=ids[0])["job"]
    assert (view["status"], view["not_before"], view["waiting"]) == ("cancelled", None, None)
    assert patient.result("delete", job_id=ids[1], force=True)["status"] == "deleted"


def test_an_input_that_comes_back_in_time_is_rendered_by_the_next_attempt(daemon: Daemon, clips: Clips) -> None:
    clip = clips.clip()
    source = daemon.out / "comes-back.mp4"
    source.write_bytes(clip.read_bytes())
    daemon.result("drain")
    job_id = daemon.submit(transcode(source, daemon.out / "late.mp4", max_attempts=2))["id"]
    source.unlink()
    daemon.result("resume")
    assert daemon.event(job_id, "requeued")["data"]["error"]["code"] == "input_missing"
    source.write_bytes(clip.read_bytes())
    view = daemon.outcome(job_id)
    assert (view["status"], view["attempts"]) == ("completed", 2)
