"""PROTOCOL.md, job spec: a submit is checked before it is accepted; the refusal says where it is wrong."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contract import JOB, check
from tests.support.daemon import Daemon
from tests.support.jobs import lasting, picture, quick, transcode
from tests.support.media import Clips
from tests.support.wire import Map


@pytest.fixture
def untouched(daemon: Daemon) -> Iterator[Daemon]:
    """The daemon, which after the test has no job and no file that it had not before."""
    counts, files = daemon.result("status")["counts"], sorted(daemon.out.rglob("*"))
    yield daemon
    assert daemon.result("status")["counts"] == counts
    assert sorted(daemon.out.rglob("*")) == files


def refused(daemon: Daemon, job: Map) -> tuple[str, str]:
    """The code of a refused submit, and the path that it names."""
    error = daemon.refusal("submit", job=job)
    return error["code"], error["details"].get("path", "")


def unwritable_folders(base: Path) -> list[Path]:
    """Folders that are there and take no new file, not even root's; and for others one that is read-only."""
    folders = [Path("/proc"), Path("/proc/self")]
    if os.geteuid() != 0:
        folders.append(base / "read-only")
        folders[-1].mkdir(mode=0o555)
    return folders


def test_an_input_that_does_not_exist_is_invalid(untouched: Daemon) -> None:
    job = transcode(untouched.out / "missing.mov", untouched.out / "a.mp4")
    assert refused(untouched, job) == ("invalid", "job.inputs[0].path")
    assert str(untouched.out / "missing.mov") in untouched.refusal("submit", job=job)["message"]


def test_a_file_url_is_checked_as_the_file_that_it_is(untouched: Daemon, clips: Clips) -> None:
    missing = {"path": f"file://{untouched.out}/missing.mov"}
    job = {**transcode(clips.clip(), untouched.out / "a.mp4"), "inputs": [missing]}
    assert refused(untouched, job) == ("invalid", "job.inputs[0].path")


def test_an_input_given_as_a_file_url_is_not_written_over(untouched: Daemon, clips: Clips) -> None:
    source = untouched.out / "source.mp4"
    source.write_bytes(clips.clip().read_bytes())
    job = transcode(source, source, overwrite=True)
    job["inputs"] = [{"path": f"file://{source}"}]
    assert refused(untouched, job) == ("invalid", "job.outputs[0].path")
    assert source.read_bytes() == clips.clip().read_bytes()
    source.unlink()


@pytest.mark.parametrize(
    "path", ["pipe://0", "PIPE://", "fd://0", "/dev/stdin", "/dev//fd/0", "/proc/self/fd/0", "file:///dev/stdin"]
)
def test_the_stdin_by_which_a_child_is_stopped_is_no_input(untouched: Daemon, path: str) -> None:
    job = {**transcode(Path("/in.mp4"), untouched.out / "a.mp4"), "inputs": [{"path": path}]}
    assert refused(untouched, job) == ("invalid", "job.inputs[0].path")
    assert "how Rushes stops it" in untouched.refusal("submit", job=job)["message"]


def test_each_of_several_inputs_is_checked(untouched: Daemon, clips: Clips) -> None:
    job = transcode(clips.clip(), untouched.out / "a.mp4")
    job["inputs"].append({"path": str(untouched.out / "missing.wav")})
    assert refused(untouched, job) == ("invalid", "job.inputs[1].path")


def test_an_outputs_own_input_is_checked(untouched: Daemon, clips: Clips) -> None:
    job = transcode(clips.clip(), untouched.out / "a.mp4", untouched.out / "b.mp4")
    job["outputs"][1]["inputs"] = [{"path": str(untouched.out / "missing.mov")}]
    assert refused(untouched, job) == ("invalid", "job.outputs[1].inputs[0].path")


def test_an_input_that_is_a_folder_is_invalid(untouched: Daemon) -> None:
    job = transcode(untouched.out, untouched.out / "a.mp4")
    assert refused(untouched, job) == ("invalid", "job.inputs[0].path")


def test_an_output_without_any_input_is_invalid(untouched: Daemon) -> None:
    code, path = refused(untouched, {"outputs": [{"path": str(untouched.out / "a.mp4")}]})
    assert code == "invalid"
    assert "inputs" in path


@pytest.mark.parametrize("path", ["clip.mov", "./clip.mov", "../clip.mov", "~/clip.mov", "-i", "testsrc=size=64x36"])
def test_a_relative_input_path_is_invalid(untouched: Daemon, path: str) -> None:
    job = {**quick(untouched.out / "a.mp4"), "inputs": [{"path": path}]}
    assert refused(untouched, job) == ("invalid", "job.inputs[0].path")


@pytest.mark.parametrize(
    ("path", "args"), [("testsrc=d=1\0", ["-f", "lavfi"]), ("http://127.0.0.1:9/\0", []), ("/\0", ["-f", "image2"])]
)
def test_an_input_that_no_command_line_can_hold_is_invalid(untouched: Daemon, path: str, args: list[str]) -> None:
    job = {**quick(untouched.out / "a.mp4"), "inputs": [{"path": path, "args": args}]}
    assert refused(untouched, job) == ("invalid", "job.inputs[0].path")


@pytest.mark.parametrize("path", ["a.mp4", "./a.mp4", "../a.mp4", "~/a.mp4", "-", "pipe:1", "file:///tmp/a.mp4"])
def test_an_output_path_that_is_not_absolute_is_invalid(untouched: Daemon, path: str) -> None:
    job = {"inputs": [picture(1)], "outputs": [{"path": path}]}
    assert refused(untouched, job) == ("invalid", "job.outputs[0].path")


@pytest.mark.parametrize("where", ["inputs", "outputs"])
def test_a_path_with_a_nul_is_invalid(untouched: Daemon, where: str) -> None:
    job = quick(untouched.out / "a.mp4")
    job[where][0] = {"path": "/tmp/a\0b.mp4"}
    assert refused(untouched, job) == ("invalid", f"job.{where}[0].path")


@pytest.mark.parametrize("where", ["inputs", "outputs"])
def test_an_argument_with_a_nul_is_invalid(untouched: Daemon, where: str) -> None:
    job = quick(untouched.out / "a.mp4")
    job[where][0]["args"] += ["-metadata", "title=a\0b"]
    code, path = refused(untouched, job)
    assert code == "invalid"
    assert path.startswith(f"job.{where}[0].args")


def test_an_output_folder_that_does_not_exist_is_invalid_and_not_made(untouched: Daemon) -> None:
    job = quick(untouched.out / "a.mp4", untouched.out / "missing" / "b.mp4")
    assert refused(untouched, job) == ("invalid", "job.outputs[1].path")
    assert str(untouched.out / "missing") in untouched.refusal("submit", job=job)["message"]


def test_an_output_folder_that_is_a_file_is_invalid(untouched: Daemon, clips: Clips) -> None:
    assert refused(untouched, quick(clips.clip() / "a.mp4")) == ("invalid", "job.outputs[0].path")


def test_an_output_folder_that_cannot_be_written_is_invalid(untouched: Daemon, tmp_path: Path) -> None:
    for folder in unwritable_folders(tmp_path):
        assert refused(untouched, quick(folder / "a.mp4")) == ("invalid", "job.outputs[0].path"), folder


def test_an_output_that_is_a_folder_is_refused_even_with_overwrite(daemon: Daemon) -> None:
    folder = daemon.out / "folder.mp4"
    folder.mkdir()
    for overwrite in (False, True):
        code, _ = refused(daemon, quick(folder, overwrite=overwrite))
        assert code in {"invalid", "conflict"}
    assert folder.is_dir()


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_output_that_is_also_an_input_is_invalid(untouched: Daemon, clips: Clips, *, overwrite: bool) -> None:
    source = clips.clip()
    before = source.read_bytes()
    assert refused(untouched, transcode(source, source, overwrite=overwrite)) == (
        "invalid",
        "job.outputs[0].path",
    )
    assert source.read_bytes() == before


def test_an_output_that_is_an_input_by_another_name_is_invalid(daemon: Daemon, clips: Clips) -> None:
    link, source = daemon.out / "link.mp4", daemon.out / "source.mp4"
    source.write_bytes(clips.clip().read_bytes())
    link.symlink_to(source)
    (daemon.out / "folder").mkdir()
    for other in (link, daemon.out / "folder" / ".." / "source.mp4"):
        assert refused(daemon, transcode(source, other, overwrite=True))[0] == "invalid", other
    assert source.read_bytes() == clips.clip().read_bytes()


def test_an_output_that_is_a_hard_link_to_the_input_never_costs_the_input(daemon: Daemon, clips: Clips) -> None:
    source, hard = daemon.out / "one.mp4", daemon.out / "same.mp4"
    source.write_bytes(clips.clip().read_bytes())
    hard.hardlink_to(source)
    view = daemon.result("submit", job=transcode(source, hard, overwrite=True), wait=30)["job"]
    assert view["status"] == "completed"
    assert source.read_bytes() == clips.clip().read_bytes()


def test_an_output_that_stands_twice_is_invalid(untouched: Daemon) -> None:
    target = untouched.out / "a.mp4"
    assert refused(untouched, quick(target, target)) == ("invalid", "job.outputs[1].path")


def test_an_output_that_stands_twice_by_another_name_is_invalid(untouched: Daemon) -> None:
    targets = [untouched.out / "a.mp4", untouched.out / ".." / untouched.out.name / "a.mp4"]
    assert refused(untouched, quick(*targets)) == ("invalid", "job.outputs[1].path")


def test_an_output_that_exists_is_a_conflict_and_stays_as_it_was(daemon: Daemon) -> None:
    target = daemon.out / "exists.mp4"
    target.write_bytes(b"precious")
    assert refused(daemon, quick(target))[0] == "conflict"
    assert target.read_bytes() == b"precious"


def test_with_overwrite_an_output_that_exists_is_replaced(daemon: Daemon, clips: Clips) -> None:
    target = daemon.out / "replaced.mp4"
    target.write_bytes(b"old")
    assert daemon.finish(quick(target, overwrite=True))["status"] == "completed"
    assert clips.probe(target).width == 64


def test_with_overwrite_a_file_stays_until_the_new_one_is_proved(daemon: Daemon) -> None:
    target = daemon.out / "kept.mp4"
    target.write_bytes(b"old")
    job_id = daemon.rendering(lasting(target, overwrite=True))
    assert target.read_bytes() == b"old"
    daemon.result("cancel", job_id=job_id, wait=30)
    assert target.read_bytes() == b"old"


def test_an_output_that_appeared_meanwhile_is_not_written_over(daemon: Daemon) -> None:
    target = daemon.out / "appears.mp4"
    job_id = daemon.rendering(lasting(target, 2))
    target.write_bytes(b"somebody else's")
    assert daemon.outcome(job_id)["status"] == "failed"
    assert target.read_bytes() == b"somebody else's"


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_output_that_an_active_job_is_to_write_is_a_conflict(daemon: Daemon, *, overwrite: bool) -> None:
    daemon.result("drain")
    target = daemon.out / f"active-{overwrite}.mp4"
    first = daemon.submit(quick(target))["id"]
    other = daemon.out / f"other-{overwrite}.mp4"
    assert refused(daemon, quick(other, target, overwrite=overwrite))[0] == "conflict"
    roundabout = daemon.out / ".." / daemon.out.name / target.name
    assert refused(daemon, quick(roundabout, overwrite=overwrite))[0] == "conflict"
    daemon.result("cancel", job_id=first)
    assert daemon.submit(quick(target))["status"] == "queued"


def test_of_two_jobs_for_one_path_under_way_at_once_one_is_accepted(daemon: Daemon) -> None:
    target = daemon.out / "raced.mp4"
    asked = [daemon.wire.send("submit", job=lasting(target)) for _ in range(2)]
    replies = [daemon.wire.reply_to(command_id) for command_id in asked]
    assert [reply["ok"] for reply in replies] == [True, False]
    assert replies[1]["error"]["code"] == "conflict"


def test_an_input_that_only_an_earlier_output_would_make_is_invalid(
    untouched: Daemon,
) -> None:
    job = quick(untouched.out / "first.mp4", untouched.out / "second.mp4")
    job["outputs"][1]["inputs"] = [{"path": str(untouched.out / "first.mp4")}]
    assert refused(untouched, job)[0] == "invalid"


def test_an_output_renders_from_inputs_of_its_own(daemon: Daemon, clips: Clips) -> None:
    job = transcode(clips.clip(), daemon.out / "job.mp4", daemon.out / "own.mp4")
    job["outputs"][1]["inputs"] = [{"path": str(clips.clip(2, size="160x90"))}]
    view = daemon.finish(job)
    assert [output["width"] for output in view["outputs"]] == [320, 160]


def test_an_input_with_a_scheme_is_accepted_and_fails_when_nobody_answers(daemon: Daemon) -> None:
    job = {"inputs": [{"path": "tcp://127.0.0.1:9/clip"}], "outputs": [{"path": str(daemon.out / "net.mp4")}]}
    view = daemon.finish(job)
    assert view["status"] == "failed"
    check(view, JOB)
    assert view["error"]["message"]


def test_everything_a_spec_may_hold_is_in_the_view(daemon: Daemon) -> None:
    daemon.result("drain")
    job = quick(
        daemon.out / "all.mp4", name="Titel ✓", session="s1", priority=-7, max_attempts=3, timeout=60,
        stall_timeout=30.5, overwrite=True, ttl=3600, metadata={"shot": "12", "größe": "ü"},
    )  # fmt: skip
    job["outputs"][0]["name"] = "small"
    view = daemon.submit(job)
    check(view, JOB)
    kept = {name: view[name] for name in ("name", "session", "priority", "max_attempts", "metadata")}
    assert kept == {name: job[name] for name in kept}
    assert (view["outputs"][0]["name"], view["outputs"][0]["path"]) == ("small", str(daemon.out / "all.mp4"))
    assert (view["status"], view["position"], view["attempts"]) == ("queued", 1, 0)
