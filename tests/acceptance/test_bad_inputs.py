"""Inputs that are no film, or only half of one: never `completed`, never half a file under the real name."""

from pathlib import Path

import pytest

from tests.support.contract import ERROR, JOB, check
from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick, transcode
from tests.support.media import Clips
from tests.support.processes import eventually
from tests.support.wire import Map


def fails(daemon: Daemon, job: Map) -> Map:
    """The error of a job that must fail and leave no file."""
    before = sorted(daemon.out.rglob("*"))
    view = daemon.finish(job)
    assert view["status"] == "failed", view
    check(view, JOB)
    check(view["error"], ERROR)
    assert view["error"]["code"]
    assert view["error"]["message"]
    assert sorted(daemon.out.rglob("*")) == before
    assert view["expires_at"] is not None
    assert daemon.event(view["id"], "failed")["data"]["job"] == view
    error: Map = view["error"]
    return error


def test_an_empty_input_fails_with_a_reason(daemon: Daemon, tmp_path: Path) -> None:
    source = tmp_path / "empty.mov"
    source.touch()
    assert fails(daemon, transcode(source, daemon.out / "a.mp4"))["retryable"] is False


def test_an_input_that_is_no_media_fails_with_a_reason(daemon: Daemon, tmp_path: Path) -> None:
    source = tmp_path / "letter.mov"
    source.write_text("Dear Sir or Madam\n" * 100)
    fails(daemon, transcode(source, daemon.out / "a.mp4"))


def test_an_input_that_is_gone_by_the_time_it_runs_is_missing(daemon: Daemon, clips: Clips, tmp_path: Path) -> None:
    source = tmp_path / "gone.mp4"
    source.write_bytes(clips.clip().read_bytes())
    daemon.result("drain")
    job_id = daemon.submit(transcode(source, daemon.out / "later.mp4"))["id"]
    source.unlink()
    daemon.result("resume")
    view = daemon.outcome(job_id)
    assert (view["status"], view["error"]["code"], view["error"]["retryable"]) == (
        "failed",
        "input_missing",
        True,
    )
    assert str(source) in view["error"]["message"]
    source.write_bytes(clips.clip().read_bytes())
    assert daemon.result("retry", job_id=job_id, wait=30)["job"]["status"] == "completed"


@pytest.mark.parametrize("codec", [["-c", "copy"], ["-c:v", "libx264", "-preset", "ultrafast"]], ids=["copy", "encode"])
def test_an_input_that_was_cut_short_never_completes(daemon: Daemon, clips: Clips, codec: list[str]) -> None:
    fails(daemon, transcode(clips.cut_short(), daemon.out / "a.mp4", args=codec))


def test_an_input_with_a_hole_fails_or_its_output_is_whole(daemon: Daemon, clips: Clips, tmp_path: Path) -> None:
    source = tmp_path / "hole.mp4"
    whole = bytearray(clips.clip(4).read_bytes())
    third = len(whole) // 3
    whole[third : 2 * third] = bytes(third)
    source.write_bytes(whole)
    target = daemon.out / "hole.mp4"
    if daemon.finish(transcode(source, target))["status"] == "completed":
        assert clips.probe(target).duration == pytest.approx(4, abs=0.1)
        assert clips.decodes(target)
    else:
        assert not target.exists()


def test_an_output_folder_that_is_gone_by_the_time_it_runs_fails_the_job(daemon: Daemon) -> None:
    folder = daemon.out / "folder"
    folder.mkdir()
    daemon.result("drain")
    job_id = daemon.submit(quick(folder / "a.mp4"))["id"]
    folder.rmdir()
    daemon.result("resume")
    view = daemon.outcome(job_id)
    assert view["status"] == "failed"
    assert str(folder) in view["error"]["message"]
    assert not folder.exists()


def test_an_output_folder_that_vanishes_while_it_renders_fails_the_job(daemon: Daemon) -> None:
    folder = daemon.out / "vanishes"
    folder.mkdir()
    job_id = daemon.submit(lasting(folder / "a.mp4", 2))["id"]
    (partial,) = eventually(lambda: list(folder.iterdir()), "a partial file")
    partial.unlink()
    folder.rmdir()
    assert daemon.outcome(job_id)["status"] == "failed"


@pytest.mark.parametrize(
    "args",
    [
        ["-c:v", "no_such_codec"],
        ["-no_such_option", "1"],
        ["-vf", "no_such_filter"],
        ["-map", "0:9"],
        ["-crf"  , "many", "-c:v", "libx264"],
        ["-f", "no_such_format"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_arguments_that_ffmpeg_does_not_understand_fail_the_job_with_its_words(daemon: Daemon, args: list[str]) -> None:
    error = fails(
        daemon,
        {**quick(daemon.out / "a.mp4"), "outputs": [{"path": str(daemon.out / "a.mp4"), "args": args}]},
    )
    assert error["retryable"] is False


def test_an_extension_that_ffmpeg_does_not_know_fails_the_job(daemon: Daemon) -> None:
    fails(daemon, quick(daemon.out / "a.unheard-of"))


def test_an_output_without_an_extension_needs_a_format(daemon: Daemon, clips: Clips) -> None:
    target = daemon.out / "no-extension"
    fails(daemon, quick(target))
    job = quick(target)
    job["outputs"][0]["args"] += ["-f", "mp4"]
    assert daemon.finish(job)["status"] == "completed"
    assert clips.probe(target).width == 64


def test_after_a_failed_output_the_next_ones_are_not_begun(daemon: Daemon, tmp_path: Path) -> None:
    source = tmp_path / "broken.mov"
    source.write_bytes(b"no film")
    job = quick(daemon.out / "fails.mp4", daemon.out / "next.mp4")
    job["outputs"][0]["inputs"] = [{"path": str(source)}]
    view = daemon.finish(job)
    assert [output["status"] for output in view["outputs"]] == ["failed", "pending"]
    assert daemon.kinds(view["id"]).count("output_started") == 1
