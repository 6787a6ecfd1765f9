"""Completed means proved: `expect_duration`, `verify`, and what an exit status of 0 does not tell."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import picture, quick, transcode
from tests.support.media import Clips
from tests.support.wire import Map


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


def expecting(target: Path, seconds: float, *args: str, **more: object) -> Map:
    """A second of film that is to be as long as said."""
    output = {"path": str(target), "args": ["-c:v", "mpeg4", *args], "expect_duration": seconds, **more}
    return {"inputs": [picture(1)], "outputs": [output]}


@pytest.mark.parametrize(("expected", "status"), [(1, "completed"), (1.4, "completed"), (3, "failed"), (0.2, "failed")])
def test_an_output_must_be_as_long_as_the_job_says(daemon: Daemon, expected: float, status: str) -> None:
    view = daemon.finish(expecting(daemon.out / f"{expected}.mp4", expected))
    assert view["status"] == status, view["error"]
    if status == "failed":
        assert view["error"]["code"] == "verify_failed"
        assert "1.00 s long" in view["error"]["message"]
        assert not (daemon.out / f"{expected}.mp4").exists()


def test_a_filter_that_ends_early_is_found_by_what_the_job_expects(daemon: Daemon) -> None:
    view = daemon.finish(expecting(daemon.out / "trimmed.mp4", 1, "-vf", "trim=duration=0.3"))
    assert (view["status"], view["error"]["code"]) == ("failed", "verify_failed")


def test_an_ffmpeg_that_makes_less_than_it_was_told_to_does_not_complete(daemon: Daemon, clips: Clips) -> None:
    view = daemon.finish(tempered(transcode(clips.clip(4), daemon.out / "less.mp4"), "short"))
    assert (view["status"], view["error"]["code"]) == ("failed", "truncated")


def test_the_length_that_is_expected_is_what_progress_goes_by(daemon: Daemon) -> None:
    job = expecting(daemon.out / "meter.mp4", 3)
    job["inputs"] = [{"path": "testsrc=size=64x36:rate=10", "args": ["-re", "-f", "lavfi"]}]
    job["outputs"][0]["args"] += ["-frames:v", "30"]
    with daemon.listener("job.") as listener:
        job_id = daemon.submit(job)["id"]
        assert listener.progress(job_id) < 1
        assert daemon.outcome(job_id)["status"] == "completed"


def raw(target: Path, **more: object) -> Map:
    """An output that FFmpeg cannot open by itself: its samples have no header."""
    output = {"path": str(target), "args": ["-f", "s16le", "-c:a", "pcm_s16le"], **more}
    return {"inputs": [{"path": "sine=duration=0.2", "args": ["-f", "lavfi"]}], "outputs": [output]}


def test_what_cannot_be_opened_fails_unless_the_job_opts_out_and_then_it_shows(daemon: Daemon) -> None:
    failed = daemon.finish(raw(daemon.out / "failed.raw"))
    assert (failed["status"], failed["error"]["code"]) == ("failed", "verify_failed")
    assert "verify" in failed["error"]["remedy"]
    assert failed["outputs"][0]["verify"] == "full"
    taken = daemon.finish(raw(daemon.out / "taken.raw", verify="none"))
    assert taken["status"] == "completed"
    assert taken["outputs"][0]["verify"] == "none"
    assert daemon.event(taken["id"], "output_completed")["data"]["verify"] == "none"
    assert (daemon.out / "taken.raw").stat().st_size == taken["outputs"][0]["size"]


def test_an_output_that_nobody_opens_is_described_as_ffmpeg_said_while_it_made_it(daemon: Daemon) -> None:
    jobs = [quick(daemon.out / f"{verify}.mp4") for verify in ("full", "none")]
    jobs[1]["outputs"][0]["verify"] = "none"
    opened, unopened = (daemon.finish(job)["outputs"][0] for job in jobs)
    assert [unopened[name] for name in ("width", "height", "fps")] == [
        opened[name] for name in ("width", "height", "fps")
    ]
    assert unopened["width"] > 0
    assert abs(unopened["duration"] - opened["duration"]) < 2 / opened["fps"]


def test_to_opt_out_is_no_way_round_an_exit_status_or_an_empty_file(daemon: Daemon) -> None:
    for temper in ("dying", "idle"):
        job = quick(daemon.out / f"{temper}.mp4")
        job["outputs"][0]["verify"] = "none"
        view = daemon.finish(tempered(job, temper))
        assert view["status"] == "failed", temper
        assert not (daemon.out / f"{temper}.mp4").exists()


@pytest.mark.parametrize(("field", "value"), [("expect_duration", 0), ("expect_duration", "1"), ("verify", "some")])
def test_a_wish_for_a_proof_that_cannot_be_is_invalid(daemon: Daemon, field: str, value: object) -> None:
    job = quick(daemon.out / "a.mp4")
    job["outputs"][0][field] = value
    error = daemon.refusal("submit", job=job)
    assert (error["code"], error["details"]["path"]) == ("invalid", f"job.outputs[0].{field}")


def test_sound_from_a_film_is_whole_without_the_picture(daemon: Daemon, clips: Clips) -> None:
    """FFmpeg plans the picture and then leaves it out of a container for sound; that is no lack."""
    view = daemon.finish(transcode(clips.clip(1), daemon.out / "sound.flac", args=[]))
    assert view["status"] == "completed", view["error"]


def test_a_damaged_input_completes_where_the_job_accepts_damage(daemon: Daemon, clips: Clips) -> None:
    job = transcode(clips.cut_short(), daemon.out / "accepted.mp4")
    assert daemon.finish(job)["status"] == "failed"
    job["inputs"][0]["args"] = ["-err_detect", "ignore_err"]
    assert daemon.finish(job)["status"] == "completed"
