"""File names that people really have, as inputs and as outputs."""

from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.jobs import FAST, picture, quick, transcode
from tests.support.media import Clips

STRANGE = [
    "with spaces .mp4",
    "quo\"tes' and `ticks`.mp4",
    "new\nline.mp4",
    "tab\tand\rreturn.mp4",
    "größe-映画-🎬.mp4",
    "-leading-dash.mp4",
    "%d.mp4",
    "100%03d%%.mp4",
    "a:b=c,d;e[f].mp4",
    "pipe|amp&semi;.mp4",
    "$(touch x).mp4",
    "back\\slash.mp4",
    "*?{}~#!.mp4",
    "file:in-name.mp4",
    "two..dots.mp4",
    "UPPER.MP4",
    ".hidden.mp4",
    f"{'long' * 60}.mp4",
]


@pytest.mark.parametrize("name", STRANGE)
def test_a_file_of_any_name_is_read_and_another_written(daemon: Daemon, clips: Clips, name: str) -> None:
    folder = daemon.out / "names"
    (folder / "in").mkdir(parents=True, exist_ok=True)
    source, target = folder / "in" / name, folder / name
    source.write_bytes(clips.clip(0.5).read_bytes())
    view = daemon.finish(transcode(source, target))
    assert view["status"] == "completed", view["error"]
    assert view["outputs"][0]["path"] == str(target)
    assert [path for path in folder.iterdir() if path.is_file()] == [target]
    assert clips.probe(target).width == 320
    assert daemon.result("delete", job_id=view["id"])["removed"] == [str(target)]


def test_folders_of_any_name_are_written_to(daemon: Daemon, clips: Clips) -> None:
    targets = []
    for name in ("%d", "new\nline", "quo'te", "-dash", "sp ace ", "ünï"):
        folder = daemon.out / name
        folder.mkdir()
        targets.append(folder / "a.mp4")
    view = daemon.finish(quick(*targets))
    assert view["status"] == "completed", view["error"]
    for target in targets:
        assert clips.probe(target).width == 64
        assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("name", ["frame.png", "%d.png", "%03d.jpg"])
def test_one_frame_becomes_one_picture_of_that_very_name(daemon: Daemon, name: str) -> None:
    folder = daemon.out / f"pictures {name}"
    folder.mkdir()
    job = {
        "inputs": [picture(1)],
        "outputs": [{"path": str(folder / name), "args": ["-frames:v", "1", "-update", "1"]}],
    }
    view = daemon.finish(job)
    assert view["status"] == "completed", view["error"]
    assert list(folder.iterdir()) == [folder / name]
    assert (view["outputs"][0]["width"], view["outputs"][0]["height"]) == (64, 36)


def test_a_strange_name_is_told_in_events_and_logs_as_it_is(daemon: Daemon, clips: Clips) -> None:
    target = daemon.out / "told 'as' \"it\"\nis.mp4"
    view = daemon.finish(
        transcode(clips.clip(0.5), target, args=FAST, name="na\nme\x1b[31m", metadata={"k\n": "v\x1b"})
    )
    assert daemon.event(view["id"], "completed")["data"]["job"]["outputs"][0]["path"] == str(target)
    assert (view["name"], view["metadata"]) == ("na\nme\x1b[31m", {"k\n": "v\x1b"})
    assert daemon.log(), "every line of the log is JSON still"


def test_a_link_to_a_folder_is_followed(daemon: Daemon) -> None:
    (daemon.out / "real").mkdir()
    (daemon.out / "link").symlink_to(daemon.out / "real")
    view = daemon.finish(quick(daemon.out / "link" / "a.mp4"))
    assert view["status"] == "completed"
    assert Path(daemon.out / "real" / "a.mp4").exists()
