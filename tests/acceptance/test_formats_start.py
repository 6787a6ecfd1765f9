"""Formats are tried with FFmpeg itself when the daemon starts: the configuration's own, and those built in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.ffmpeg.format_trials import SLOW
from tests.support.daemon import Daemon, refused_start, serving
from tests.support.jobs import picture
from tests.support.processes import eventually, process
from tests.support.shell import REFUSED, WRONG_USAGE
from tests.support.wire import Map

INPUT = '[formats.bad]\nargs = ["-c:v", "mpeg4"]\ninputs = [%s]'

OWN = """
[formats.proxy]
args = ["-c:v", "mpeg4", "-vf", "scale=32:-2"]
extension = ".mkv"
"""

BUILT_IN = ["full_16_9", "short_9_16", "clip_1_1", "thumbnail"]

Start = Callable[..., Daemon]

CACHE = {"XDG_CACHE_HOME": "{base}/cache"}
"""A cache that nobody has used."""


def make_ffmpeg(path: Path, ffmpeg: Path, *lines: str) -> Path:
    """One that does these lines of shell before it is the real one."""
    path.write_text("\n".join(["#!/bin/sh", *lines, f'exec "{ffmpeg}" "$@"', ""]))
    path.chmod(0o755)
    return path


HAS_NO_ROOM = (
    'case $* in *format-*) [ -e "$TEST_BASE/room" ] || { echo "No space left on device" >&2; exit 228; } ;; esac'
)

NOTES_TRIALS = 'case $* in *work/format-*) echo trial >>"$TEST_BASE/trials" ;; esac'


def errors(daemon: Daemon) -> Map:
    """What `formats` says of each, once it does: on a busy machine a trial may be slow."""

    def look() -> list[Map]:
        reply = daemon.ask("formats")
        return reply["result"]["formats"] if reply["ok"] else []

    return {one["name"]: one["error"] for one in eventually(look, "each is tried")}


def noted_trials(daemon: Daemon) -> int:
    """How many have begun with an FFmpeg that notes them."""
    noted = daemon.base / "trials"
    return len(noted.read_text().splitlines()) if noted.exists() else 0


def await_trials(daemon: Daemon, count: int, *, remembered: int) -> None:
    """Wait until so many have begun, and what was seen is remembered of so many FFmpegs."""
    marks = daemon.base / "cache" / "rushes"
    eventually(lambda: noted_trials(daemon) == count, f"{count} trials")
    eventually(lambda: len(list(marks.glob("formats-*"))) == remembered, f"{remembered} are remembered")


def warnings(daemon: Daemon) -> list[Map]:
    """What the log says of formats so far."""
    lines = [json.loads(line) for line in daemon.stderr().splitlines()]
    return [line for line in lines if line["event"] == "format_unusable"]


# ---------------------------------------------------------------- the configuration's own


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ('[formats.bad]\nargs = ["-c:v", "libnothing"]', "format bad of the configuration cannot be used: "),
        ('[formats.bad]\nargs = ["-c:v", "mpeg4", "-y"]', "args[2]: "),
        ('[formats.bad]\nargs = ["-c:v", "mpeg4"]\nextension = ".nothing"', "format bad of the configuration"),
        ('[formats.bad]\nargs = ["-c:v", "mpeg4"]\nextension = ".m3u8"', "makes FFmpeg write several files"),
        (INPUT % '{path = "color=red:size=8x8:duration=1", args = ["-f", "lavfi", "-y"]}', "inputs[0].args[2]: -y is"),
        (INPUT % '{path = "logo.png"}', "inputs[0].path: input 'logo.png' must be an absolute path"),
        (INPUT % '{path = "pipe://0"}', "inputs[0].path: pipe:// would read FFmpeg's stdin"),
        ('[formats.bad]\nargs = ["-metadata", "a=\\u0000"]', "args[1]: an argument cannot hold a NUL character"),
        ('[formats."a/../../b"]\nargs = []', "setting formats (from {file}): a name in it must be of letters, digits"),
        ('[formats."a,b"]\nargs = []', "setting formats (from {file}): a name in it must be of letters, digits"),
    ],
    ids=str,
)
def test_a_format_that_ffmpeg_does_not_take_is_told_at_the_start(tmp_path: Path, configuration: str, said: str) -> None:
    file = tmp_path / "rushes.toml"
    file.write_text(configuration)
    status, lines = refused_start(
        "--data", str(tmp_path / "data"), "--bus", f"ipc://{tmp_path}/b", "--config", str(file)
    )
    assert status in (REFUSED, WRONG_USAGE)
    assert said.format(file=file) in lines[-1], lines


def test_the_trial_of_a_format_leaves_nothing_and_what_one_left_that_was_killed_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "rushes.toml"
    file.write_text(OWN)
    left = tmp_path / "data" / "work" / "format-of-a-daemon-that-was-killed"
    left.mkdir(parents=True)
    (left / "trial.mkv").write_text("half")
    with serving(data=tmp_path / "data", config=file) as daemon:
        errors(daemon)
        assert list(left.parent.iterdir()) == []


# ---------------------------------------------------------------- those that Rushes brings


def test_those_built_in_are_tried_once_for_each_ffmpeg(start: Start, tmp_path: Path, ffmpeg: Path) -> None:
    program = make_ffmpeg(tmp_path / "ffmpeg", ffmpeg, NOTES_TRIALS)
    daemon = start(ffmpeg=program, env=CACHE)
    await_trials(daemon, 4, remembered=1)
    assert errors(daemon) == dict.fromkeys(BUILT_IN)
    daemon.restart()
    assert (errors(daemon), noted_trials(daemon)) == (dict.fromkeys(BUILT_IN), 4)
    make_ffmpeg(program, ffmpeg, NOTES_TRIALS, "# of another day")
    daemon.restart()
    await_trials(daemon, 8, remembered=2)


def test_what_was_seen_without_a_wrapper_or_of_other_formats_does_not_count(
    start: Start, tmp_path: Path, ffmpeg: Path
) -> None:
    config = tmp_path / "rushes.toml"
    config.write_text('[formats.clip_1_1]\nargs = ["-c:v", "mpeg4"]\n')
    daemon = start(ffmpeg=make_ffmpeg(tmp_path / "ffmpeg", ffmpeg, NOTES_TRIALS), env=CACHE, config=config)
    await_trials(daemon, 4, remembered=1)  # the configuration's own stands for the one of that name
    config.write_text("")
    daemon.restart()
    await_trials(daemon, 8, remembered=2)
    config.write_text("[children]\nnice = 1\n")
    daemon.restart()
    await_trials(daemon, 12, remembered=3)


def test_one_that_ffmpeg_does_not_take_is_told_at_each_start_and_refused(
    start: Start, tmp_path: Path, ffmpeg: Path
) -> None:
    lacks = "case $* in *libx264*) echo \"Unknown encoder 'libx264'\" >&2; exit 8 ;; esac"
    daemon = start(ffmpeg=make_ffmpeg(tmp_path / "ffmpeg", ffmpeg, lacks), env=CACHE)
    eventually(lambda: len(warnings(daemon)) == 3, "three are told of")
    said = [(line["format"], line["error"]) for line in warnings(daemon)]
    assert said == [(name, "Unknown encoder 'libx264'") for name in BUILT_IN[:3]]
    assert errors(daemon) == dict(said) | {"thumbnail": None}
    job = {"inputs": [picture(0.5)], "outputs": [{"path": str(daemon.out / "no"), "format": "clip_1_1"}]}
    refusal = daemon.refusal("submit", job=job)
    assert refusal["message"] == "format clip_1_1 cannot be used on this machine: Unknown encoder 'libx264'"
    job["outputs"][0]["format"] = "thumbnail"
    assert daemon.finish(job)["status"] == "completed"
    daemon.restart()
    eventually(lambda: len(warnings(daemon)) == 6, "they are told of again")


def test_what_another_day_may_mend_is_tried_again(start: Start, tmp_path: Path, ffmpeg: Path) -> None:
    daemon = start(ffmpeg=make_ffmpeg(tmp_path / "ffmpeg", ffmpeg, HAS_NO_ROOM), env=CACHE)
    eventually(lambda: len(warnings(daemon)) == 4, "all are told of")
    assert errors(daemon) == dict.fromkeys(BUILT_IN, "No space left on device")
    away = (daemon.data / "work").rename(daemon.data / "away")
    assert errors(daemon) == dict.fromkeys(BUILT_IN, "it cannot be tried now: No such file or directory")
    away.rename(daemon.data / "work")
    job = {"inputs": [picture(0.5)], "outputs": [{"path": str(daemon.out / "later"), "format": "thumbnail"}]}
    assert daemon.refusal("submit", job=job)["details"]["path"] == "job.outputs[0].format"
    (daemon.base / "room").touch()
    assert daemon.finish(job)["status"] == "completed"
    assert errors(daemon) == dict.fromkeys(BUILT_IN)


def test_a_daemon_starts_where_its_own_formats_cannot_be_tried_now(start: Start, tmp_path: Path, ffmpeg: Path) -> None:
    config = tmp_path / "rushes.toml"
    config.write_text(OWN)
    daemon = start(ffmpeg=make_ffmpeg(tmp_path / "ffmpeg", ffmpeg, HAS_NO_ROOM), config=config)
    assert errors(daemon)["proxy"] == "No space left on device"
    eventually(lambda: "proxy" in {line["format"] for line in warnings(daemon)}, "it is told of")
    (daemon.base / "room").touch()
    assert errors(daemon)["proxy"] is None


@pytest.fixture
def hanging(start: Start, tmp_path: Path, ffmpeg: Path) -> Daemon:
    """One whose FFmpeg hangs with the first format that is tried, until there is a file `go`."""
    until = 'until [ -e "$TEST_BASE/go" ]; do sleep 0.1; done'
    hangs = f'case $* in *work/format-*) echo $$ >>"$TEST_BASE/pids"; {until} ;; esac'
    daemon = start(ffmpeg=make_ffmpeg(tmp_path / "ffmpeg", ffmpeg, hangs), env=CACHE)
    eventually(pids(daemon).exists, "the first is tried")
    return daemon


def pids(daemon: Daemon) -> Path:
    return daemon.base / "pids"


def ended_without_a_trace(daemon: Daemon) -> None:
    """Have the daemon end while the first format is tried."""
    assert daemon.terminate() == 0
    (pid,) = map(int, pids(daemon).read_text().split())
    assert process(pid) is None
    assert "format_unusable" not in daemon.stderr()


def plain(daemon: Daemon) -> Map:
    """A job without a format."""
    return {"inputs": [picture(0.5)], "outputs": [{"path": str(daemon.out / "1.mp4"), "args": ["-c:v", "mpeg4"]}]}


def test_an_ffmpeg_that_hangs_with_a_format_holds_up_no_job_without_one_and_not_the_daemons_end(
    hanging: Daemon,
) -> None:
    assert hanging.finish(plain(hanging))["status"] == "completed"
    ended_without_a_trace(hanging)


def test_who_asks_for_a_format_that_ffmpeg_hangs_with_is_told_so_and_nobody_waits_behind_him(hanging: Daemon) -> None:
    job = {"inputs": [picture(0.5)], "outputs": [{"path": str(hanging.out / "no"), "format": "full_16_9"}]}
    asked = [hanging.wire.send("formats"), hanging.wire.send("submit", job=job, id="again")]
    assert hanging.finish(plain(hanging))["status"] == "completed"
    refusals = [hanging.wire.reply_to(one)["error"] for one in asked]
    assert {(one["code"], one["message"]) for one in refusals} == {("busy", SLOW)}
    (hanging.base / "go").touch()
    eventually(lambda: hanging.ask("submit", job=job, id="again")["ok"], "it is taken when it is sent again")
    submitted = hanging.result("submit", job=job, id="again")["job"]
    assert hanging.outcome(submitted["id"])["status"] == "completed"


def test_a_daemon_ends_while_somebody_waits_for_a_format(hanging: Daemon) -> None:
    hanging.wire.send("formats")
    hanging.result("status")  # so that the hub has handed over what came before
    ended_without_a_trace(hanging)


@pytest.mark.parametrize("place", ["{base}/stderr", "/proc/nowhere"], ids=["file", "nowhere"])
def test_a_cache_that_cannot_be_written_costs_a_trial_at_each_start(
    start: Start, tmp_path: Path, ffmpeg: Path, place: str
) -> None:
    program = make_ffmpeg(tmp_path / "ffmpeg", ffmpeg, NOTES_TRIALS)
    daemon = start(ffmpeg=program, env={"XDG_CACHE_HOME": place})
    eventually(lambda: noted_trials(daemon) == 4, "each is tried")
    daemon.restart()
    eventually(lambda: noted_trials(daemon) == 8, "each is tried again")
    assert errors(daemon) == dict.fromkeys(BUILT_IN)
    assert warnings(daemon) == []
