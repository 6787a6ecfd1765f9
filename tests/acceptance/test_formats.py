"""PROTOCOL.md, `format` and `formats`: outputs by the name of a preset. And how FFmpeg is run: `[children]`."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, refused_start, serving
from tests.support.jobs import FAST, lasting, picture, quick
from tests.support.media import Clips
from tests.support.processes import eventually
from tests.support.shell import REFUSED, WRONG_USAGE, Shell
from tests.support.wire import Map

CONFIGURATION = """
[formats.proxy]
args = ["-c:v", "mpeg4", "-vf", "scale=32:-2"]
extension = ".mkv"

[formats.marked]
args = ["-filter_complex", "[0:v][1:v]overlay", "-c:v", "mpeg4"]
inputs = [{path = "color=red:size=8x8:duration=1", args = ["-f", "lavfi"]}]
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One whose configuration brings formats of its own."""
    file = tmp_path_factory.mktemp("config") / "rushes.toml"
    file.write_text(CONFIGURATION)
    with serving(slots=2, config=file) as daemon:
        yield daemon


def finish(daemon: Daemon, path: Path, format_: object, **output: object) -> Map:
    job = daemon.finish({"inputs": [picture(0.5)], "outputs": [{"path": str(path), "format": format_, **output}]})
    assert job["status"] == "completed", job["error"]
    return job


def test_each_built_in_format_makes_the_picture_that_its_name_says(daemon: Daemon, clips: Clips) -> None:
    source = {"path": str(clips.clip(0.2, rate=10)), "args": []}
    names = ["full_16_9", "short_9_16", "clip_1_1", "thumbnail"]
    job = daemon.finish({"inputs": [source], "outputs": [{"path": str(daemon.out / "all"), "format": names}]})
    assert job["status"] == "completed", job["error"]
    made = [(Path(one["path"]).name, one["name"], one["width"], one["height"]) for one in job["outputs"]]
    assert made[:3] == [
        ("all.full_16_9.mp4", "full_16_9", 1920, 1080),
        ("all.short_9_16.mp4", "short_9_16", 1080, 1920),
        ("all.clip_1_1.mp4", "clip_1_1", 1080, 1080),
    ]
    assert made[3][:3] == ("all.thumbnail.jpg", "thumbnail", 640)


def test_one_format_takes_the_path_as_it_is_and_gives_it_a_suffix_where_it_has_none(daemon: Daemon) -> None:
    named = finish(daemon, daemon.out / "named.mov", "proxy")["outputs"][0]
    assert (Path(named["path"]).name, named["name"], named["width"]) == ("named.mov", None, 32)
    bare = finish(daemon, daemon.out / "bare", "proxy", name="mine")["outputs"][0]
    assert (Path(bare["path"]).name, bare["name"]) == ("bare.mkv", "mine")


def test_what_an_output_says_itself_comes_after_what_its_format_says(daemon: Daemon) -> None:
    made = finish(daemon, daemon.out / "after", "proxy", args=["-vf", "scale=16:-2"])["outputs"][0]
    assert made["width"] == 16


def test_a_format_may_bring_inputs(daemon: Daemon) -> None:
    assert finish(daemon, daemon.out / "marked", "marked")["outputs"][0]["width"] == 64


def test_a_job_with_formats_can_be_retried_after_a_restart(daemon: Daemon) -> None:
    source = daemon.out / "comes-later.mp4"
    daemon.finish(quick(source))
    job = {"inputs": [{"path": str(source)}], "outputs": [{"path": str(daemon.out / "r"), "format": ["proxy"]}]}
    daemon.result("drain")
    job_id = daemon.submit(job)["id"]
    source.rename(daemon.out / "away.mp4")
    daemon.result("resume")
    assert daemon.outcome(job_id)["error"]["code"] == "input_missing"
    (daemon.out / "away.mp4").rename(source)
    daemon.kill9()
    daemon.start()
    daemon.result("retry", job_id=job_id)
    assert daemon.outcome(job_id)["outputs"][0]["width"] == 32


@pytest.mark.parametrize(
    ("format_", "path"),
    [
        ("nothing", "job.outputs[1].format"),
        (["proxy", "nothing"], "job.outputs[1].format"),
        ([], "job.outputs"),
        ("", "job.outputs"),
        (5, "job.outputs"),
        (["proxy"] * 2, "job.outputs[1].path"),
    ],
    ids=str,
)
def test_a_format_that_cannot_be_is_refused_with_its_place(daemon: Daemon, format_: object, path: str) -> None:
    outputs = [{"path": str(daemon.out / "a"), "format": "proxy"}, {"path": str(daemon.out / "b"), "format": format_}]
    refusal = daemon.refusal("submit", job={"inputs": [picture()], "outputs": outputs})
    assert refusal["code"] == "invalid"
    assert refusal["details"]["path"].startswith(path)


def test_what_is_wrong_with_an_output_names_it_as_it_was_asked_for(daemon: Daemon) -> None:
    (daemon.out / "there.mp4").write_text("")
    outputs = [
        {"path": str(daemon.out / "many"), "format": ["proxy", "marked", "clip_1_1"]},
        {"path": str(daemon.out / "there.mp4")},
    ]
    refusal = daemon.refusal("submit", job={"inputs": [picture()], "outputs": outputs})
    assert (refusal["code"], refusal["details"]["path"]) == ("conflict", "job.outputs[1].path")


def test_what_is_wrong_with_an_argument_names_it_as_it_was_asked_for(daemon: Daemon) -> None:
    outputs = [
        {"path": str(daemon.out / "many"), "format": ["proxy", "marked"]},
        {"path": str(daemon.out / "one"), "format": "proxy", "args": ["-an", "-y"]},
    ]
    refusal = daemon.refusal("submit", job={"inputs": [picture()], "outputs": outputs})
    assert (refusal["code"], refusal["details"]["path"]) == ("invalid", "job.outputs[1].args[1]")


def test_a_path_that_another_job_is_to_write_is_named_as_it_was_asked_for(held: Daemon) -> None:
    held.submit(quick(held.out / "taken.thumbnail.jpg"))
    outputs = [{"path": str(held.out / "taken"), "format": ["full_16_9", "clip_1_1", "thumbnail"]}]
    refusal = held.refusal("submit", job={"inputs": [picture()], "outputs": outputs})
    assert (refusal["code"], refusal["details"]["path"]) == ("conflict", "job.outputs[0].path")


@pytest.mark.parametrize("format_", ["proxy", ["proxy"]], ids=str)
@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_folder_is_no_output_with_a_format_either(daemon: Daemon, name: str, format_: object) -> None:
    job = {"inputs": [picture()], "outputs": [{"path": f"{daemon.out}/{name}", "format": format_}]}
    refusal = daemon.refusal("submit", job=job)
    assert (refusal["code"], refusal["details"]["path"]) == ("invalid", "job.outputs[0].path")
    assert "must name a file, not a folder" in refusal["message"]


def test_formats_are_no_more_outputs_than_a_job_may_have(daemon: Daemon) -> None:
    outputs = [{"path": str(daemon.out / f"many-{number}"), "format": ["proxy"] * 100} for number in range(3)]
    refusal = daemon.refusal("submit", job={"inputs": [picture()], "outputs": outputs})
    assert (refusal["code"], refusal["details"]["path"]) == ("invalid", "job.outputs")


@pytest.mark.parametrize(
    ("output", "inputs", "said"),
    [
        ({"format": "proxy", "args": ["-metadata", "a=b"] * 256}, 1, "516 arguments; 512 may be"),
        ({"format": "marked"}, 64, "65 inputs; 64 may be"),
        ({"format": ["proxy"], "path": "/tmp" + "long".rjust(4090, "/")}, 1, "characters; 4096 may be"),
    ],
    ids=["args", "inputs", "path"],
)
def test_with_its_format_an_output_is_no_larger_than_any_may_be(
    daemon: Daemon, output: Map, inputs: int, said: str
) -> None:
    path = {"path": str(daemon.out / "large")}
    refusal = daemon.refusal("submit", job={"inputs": [picture()] * inputs, "outputs": [path | output]})
    assert (refusal["code"], refusal["details"]["path"]) == ("invalid", "job.outputs[0].format")
    assert said in refusal["message"]


def test_all_formats_are_listed_and_were_tried(daemon: Daemon) -> None:
    found = {one["name"]: one for one in daemon.result("formats")["formats"]}
    assert list(found) == ["full_16_9", "short_9_16", "clip_1_1", "thumbnail", "proxy", "marked"]
    assert {one["error"] for one in found.values()} == {None}
    assert (found["proxy"]["built_in"], found["clip_1_1"]["built_in"]) == (False, True)
    assert found["proxy"]["extension"] == ".mkv"


def test_formats_from_a_shell(daemon: Daemon) -> None:
    shell = Shell(daemon.bus, daemon.out)
    assert "proxy       .mkv    configuration  -c:v mpeg4 -vf scale=32:-2" in shell.do("formats")
    daemon.finish(quick(daemon.out / "source.mp4"))
    job_id = shell.do("submit", "source.mp4", "from-shell", "--format", "proxy,marked").strip()
    assert [Path(one["path"]).name for one in daemon.outcome(job_id)["outputs"]] == [
        "from-shell.proxy.mkv", "from-shell.marked.mp4",
    ]  # fmt: skip
    assert "there is no format 'nope'" in shell.fails(REFUSED, "submit", "source.mp4", "x", "--format", "nope")
    assert "--spec" in shell.fails(WRONG_USAGE, "submit", "--spec", "-", "--format", "proxy", stdin="{}")
    for names in ("", "proxy,", ",proxy"):
        assert "'--format'" in shell.fails(WRONG_USAGE, "submit", "source.mp4", "x", "--format", names)
    spaced = shell.do("submit", "source.mp4", "spaced", "--format", "proxy, marked", "--dry-run")
    assert f"would make    {daemon.out}/spaced.marked.mp4\n" in spaced
    repeated = shell.do("submit", "source.mp4", "twice", "--format", "proxy", "--format", "marked", "--dry-run")
    assert repeated.splitlines()[0].endswith(": twice.proxy.mkv, twice.marked.mp4")
    for folder in ("x/", ".", "./..", "x/."):  # and not a file of its name beside it
        said = shell.fails(REFUSED, "submit", "source.mp4", folder, "--format", "proxy")
        assert "must name a file, not a folder" in said


# ---------------------------------------------------------------- how FFmpeg is run


def limits_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[0] for line in lines}


def nice_of(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def test_ffmpeg_is_as_kind_to_the_machine_as_is_configured(tmp_path: Path) -> None:
    file = tmp_path / "rushes.toml"
    file.write_text(
        '[children]\nnice = 7\nionice = "idle"\n[children.limits]\naddress_space = "64 GB"\nopen_files = 99\n'
    )
    with serving(slots=1, config=file) as daemon:
        job_id = daemon.rendering(lasting(daemon.out / "kind.mp4"))
        child = daemon.child(job_id)
        command = Path(f"/proc/{child.ffmpeg.pid}/cmdline")  # at first, it is what makes FFmpeg kind
        eventually(lambda: "ffmpeg" in Path(command.read_bytes().split(b"\0")[0].decode()).name, "it is FFmpeg")
        kindness = subprocess.run(["ionice", "-p", str(child.ffmpeg.pid)], capture_output=True, check=True)
        assert kindness.stdout == b"idle\n"
        assert nice_of(child.ffmpeg.pid) == min(19, nice_of(daemon.pid) + 7)  # who runs the tests may be nice himself
        assert limits_of(child.ffmpeg.pid)["Max open files"] == "99"
        assert limits_of(child.ffmpeg.pid)["Max address space"] == str(64 * 10**9)
        assert limits_of(daemon.pid)["Max open files"] != "99"
        daemon.kill9()
        daemon.start()
        assert daemon.child(job_id).ffmpeg.pid == child.ffmpeg.pid
        assert daemon.result("cancel", job_id=job_id, wait=20)["job"]["status"] == "cancelled"


def test_a_limit_that_a_job_runs_into_fails_it(tmp_path: Path) -> None:
    file = tmp_path / "rushes.toml"
    file.write_text("[children.limits]\nfile_size = 4096\n")
    with serving(slots=1, config=file) as daemon:
        target = daemon.out / "large.mp4"
        source = {"path": "testsrc=size=640x360:rate=25:duration=5", "args": ["-f", "lavfi"]}
        job = daemon.finish({"inputs": [source], "outputs": [{"path": str(target), "args": FAST}]})
        assert (job["status"], target.exists()) == ("failed", False)


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ("[children]\nnice = 20", "setting children.nice (from {file}): must be a whole number, 0 to 19"),
        ('[children]\nionice = "often"', "setting children.ionice (from {file}): "),
        ("[children.limits]\nstack = 1", "setting children.limits.stack (from {file}): there is none of that name"),
        ("[children.limits]\nopen_files = 9999999999", "setting children: "),
        ('[children.limits]\naddress_space = "10 MB"', "setting children: "),
    ],
)
def test_what_cannot_be_had_is_told_at_the_start(tmp_path: Path, configuration: str, said: str) -> None:
    file = tmp_path / "rushes.toml"
    file.write_text(configuration)
    words = ("--data", str(tmp_path / "data"), "--bus", f"ipc://{tmp_path}/b", "--config", str(file))
    status, lines = refused_start(*words)
    assert status in (REFUSED, WRONG_USAGE)
    assert said.format(file=file) in lines[-1], lines
