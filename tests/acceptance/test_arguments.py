"""Arguments that would take FFmpeg out of the daemon's hands are refused at submit, with the reason."""

import pytest

from tests.support.daemon import Daemon
from tests.support.jobs import picture, quick, transcode
from tests.support.media import Clips

TAKEN_OUT_OF_OUR_HANDS = [
    ["-nostdin"], ["-stdin"], ["-y"], ["-n"], ["-progress", "/tmp/p"], ["-report"],
    ["-loglevel", "quiet"], ["-v", "quiet"], ["-v", "0"],
]  # fmt: skip

FURTHER_FILES = [
    ["further.mp4"],
    ["-an", "further.mp4"],
    ["-c:v", "mpeg4", "further.mp4"],
    ["further.mp4", "-c:v", "mpeg4"],
    ["/tmp/further.mp4"],
    ["-f", "null", "-"],
    ["pipe:1"],
    [""],
    ["--", "further.mp4"],
]


def refused_at(daemon: Daemon, where: str, args: list[str]) -> None:
    job = quick(daemon.out / "never.mp4")
    job[where][0]["args"] = [*job[where][0]["args"], *args]
    error = daemon.refusal("submit", job=job)
    assert error["code"] == "invalid"
    assert error["details"]["path"].startswith(f"job.{where}[0].args")
    named = args[0].removeprefix("-/").removeprefix("-")
    assert named in error["message"] or args[-1] in error["message"]
    assert not list(daemon.out.glob("never*"))


@pytest.mark.parametrize("where", ["inputs", "outputs"])
@pytest.mark.parametrize("args", TAKEN_OUT_OF_OUR_HANDS, ids="".join)
def test_an_argument_that_would_disarm_the_daemon_is_invalid(daemon: Daemon, where: str, args: list[str]) -> None:
    refused_at(daemon, where, args)


@pytest.mark.parametrize("args", [["-/v", "/tmp/level"], ["-/loglevel", "/tmp/level"], ["-/progress", "/tmp/url"]])
def test_the_same_with_its_value_from_a_file_is_invalid(daemon: Daemon, args: list[str]) -> None:
    refused_at(daemon, "outputs", args)


@pytest.mark.parametrize("where", ["inputs", "outputs"])
def test_a_second_input_among_the_arguments_is_invalid(daemon: Daemon, where: str) -> None:
    refused_at(daemon, where, ["-i", "/etc/hostname"])


@pytest.mark.parametrize("args", FURTHER_FILES, ids=" ".join)
def test_an_argument_that_would_be_a_further_output_is_invalid(daemon: Daemon, args: list[str]) -> None:
    refused_at(daemon, "outputs", args)


@pytest.mark.parametrize("args", [["further.mp4"], ["-re", "further.mp4"]], ids=" ".join)
def test_an_input_argument_that_would_be_an_output_is_invalid(daemon: Daemon, args: list[str]) -> None:
    refused_at(daemon, "inputs", args)


def test_an_option_without_its_value_cannot_swallow_the_output(daemon: Daemon) -> None:
    refused_at(daemon, "outputs", ["-an", "-metadata"])


def test_values_that_look_like_forbidden_arguments_are_taken_as_values(daemon: Daemon, clips: Clips) -> None:
    job = transcode(clips.clip(), daemon.out / "values.mp4")
    job["inputs"][0]["args"] = ["-ss", "0.1", "-itsoffset", "-0.1"]
    job["outputs"][0]["args"] = [
        "-map", "0:v", "-map", "0:a?", "-map", "-0:s", "-vf", "scale=160:-2,format=yuv420p", "-an", "-sn",
        "-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", "-x264-params", "keyint=10:min-keyint=1",
        "-metadata", "title=-y", "-metadata:s:v:0", "comment=-nostdin -i x", "-movflags", "+faststart",
        "-r", "25", "-g", "10", "-t", "0.5", "-fflags", "+bitexact", "-flags:v", "+bitexact",
    ]  # fmt: skip
    view = daemon.finish(job)
    assert view["status"] == "completed", view["error"]
    assert view["outputs"][0]["width"] == 160


def test_a_film_that_would_be_several_pictures_fails_with_ffmpegs_own_reason(daemon: Daemon) -> None:
    job = {"inputs": [picture(0.5)], "outputs": [{"path": str(daemon.out / "still.png")}]}
    error = daemon.finish(job)["error"]
    assert error["code"] == "bad_args"
    assert "-update" in error["message"] or "either set update" in error["message"], "its words before 6 and now"


def test_a_filter_graph_is_an_input_where_lavfi_is_asked_for(daemon: Daemon) -> None:
    job = {
        "inputs": [
            {"path": "testsrc2=size=128x72:rate=25:duration=1", "args": ["-f", "lavfi"]},
            {"path": "sine=frequency=440:duration=1", "args": ["-f", "lavfi"]},
        ],
        "outputs": [{"path": str(daemon.out / "lavfi.mp4"), "args": ["-c:v", "mpeg4", "-c:a", "aac"]}],
    }
    view = daemon.finish(job)
    assert view["status"] == "completed", view["error"]
    assert (view["outputs"][0]["width"], view["outputs"][0]["height"]) == (128, 72)


def test_arguments_never_pass_through_a_shell(daemon: Daemon) -> None:
    mark = daemon.out / "mark"
    job = quick(daemon.out / "shell.mp4")
    job["outputs"][0]["args"] += ["-metadata", f"title=$(touch {mark}); touch '{mark}' & `touch {mark}`"]
    assert daemon.finish(job)["status"] == "completed"
    assert not mark.exists()
