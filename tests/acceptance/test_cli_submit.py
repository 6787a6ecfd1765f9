"""`rushes submit`: a command line that reads like FFmpeg's, or a spec; what it prints, and what it refuses itself."""

import json
from pathlib import Path

import pytest

from tests.support.contract import JOB, JOB_ID, check
from tests.support.daemon import Daemon
from tests.support.jobs import quick
from tests.support.media import Clips
from tests.support.shell import ESCAPE, REFUSED, WRONG_USAGE, Shell

LAVFI = ["--input-args", "-f lavfi", "testsrc=size=64x36:rate=10:duration=0.5"]
"""The words for an input that FFmpeg makes up itself."""


def spec_of(daemon: Daemon, *names: str) -> str:
    return json.dumps(quick(*(daemon.out / name for name in names)))


# ---------------------------------------------------------------- what it prints


def test_into_a_pipe_goes_the_id_alone(daemon: Daemon, shell: Shell) -> None:
    said = shell.do("submit", *LAVFI, "pipe.mp4")
    assert JOB_ID.match(said.strip())
    assert daemon.outcome(said.strip())["status"] == "completed"


def test_json_is_the_result_of_the_protocol(shell: Shell) -> None:
    result = shell.result("submit", *LAVFI, "json.mp4")
    assert result.keys() == {"job"}
    check(result["job"], JOB)


def test_at_a_terminal_a_line_says_what_became_of_the_job(held: Daemon, shell: Shell) -> None:
    with shell.terminal("submit", *LAVFI, "seen.mp4") as terminal:
        assert terminal.ended() == 0
    assert "queued  place 1  seen.mp4" in terminal.text
    assert ESCAPE in terminal.shown, "without a colour"


def test_with_wait_each_change_of_state_is_a_line_on_stderr(shell: Shell) -> None:
    ran = shell.run("submit", *LAVFI, "waited.mp4", "--wait")
    job_id = ran.out.strip()
    assert (ran.status, ran.err.splitlines()[-1]) == (0, f"{job_id}  completed  waited.mp4")
    assert ESCAPE not in ran.out + ran.err


def test_with_wait_and_json_the_one_document_shows_how_it_ended(shell: Shell) -> None:
    job = shell.result("submit", *LAVFI, "ended.mp4", "--wait")["job"]
    check(job, JOB)
    assert job["status"] == "completed"


def test_with_wait_a_terminal_shows_a_live_bar(shell: Shell) -> None:
    with shell.terminal("submit", *LAVFI, "bar.mp4", "--wait") as terminal:
        assert terminal.ended() == 0
    assert "100% bar.mp4" in terminal.text
    assert "━" in terminal.text


def test_with_wait_a_job_that_fails_ends_it_with_one_and_the_reason(shell: Shell, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mov"
    broken.write_bytes(b"no film")
    ran = shell.run("submit", broken, "broken.mp4", "--wait")
    assert ran.status == REFUSED
    assert f"{ran.out.strip()}: failed: " in ran.err


# ---------------------------------------------------------------- what it sends


def test_relative_paths_are_seen_from_where_the_user_stands(daemon: Daemon, shell: Shell, clips: Clips) -> None:
    (daemon.out / "in.mp4").symlink_to(clips.clip())
    job_id = shell.do("submit", "in.mp4", "../out/./relative.mp4", "--", "-c:v", "mpeg4").strip()
    [output] = daemon.outcome(job_id)["outputs"]
    assert (output["path"], output["status"]) == (str(daemon.out / "relative.mp4"), "completed")


def test_arguments_stand_before_each_input_and_before_the_output(daemon: Daemon, shell: Shell, clips: Clips) -> None:
    words = ["--input-args", "-ss 0.5 -t 1", str(clips.clip(4)), "cut.mp4", "--", "-c:v", "mpeg4", "-an"]
    assert shell.result("submit", "--wait", *words)["job"]["status"] == "completed"
    cut = clips.probe(daemon.out / "cut.mp4")
    assert cut.duration == pytest.approx(1, abs=0.1)
    assert cut.audio is None


def test_every_option_arrives(held: Daemon, shell: Shell) -> None:
    options = ["--name", "evening", "--session", "dailies", "--priority", "-7", "--max-attempts", "3"]
    options += ["--metadata", "reel=7", "--metadata", "note=a=b"]
    job = shell.result("submit", *options, *LAVFI, "options.mp4")["job"]
    assert [job[name] for name in ("name", "session", "priority", "max_attempts")] == ["evening", "dailies", -7, 3]
    assert job["metadata"] == {"reel": "7", "note": "a=b"}


def test_overwrite_replaces_a_file_that_is_refused_without_it(daemon: Daemon, shell: Shell) -> None:
    (daemon.out / "there.mp4").write_text("somebody's")
    said = shell.fails(REFUSED, "submit", *LAVFI, "there.mp4")
    assert "conflict" in said
    assert "there.mp4" in said
    assert shell.result("submit", *LAVFI, "there.mp4", "--overwrite", "--wait")["job"]["status"] == "completed"


def test_a_spec_comes_from_a_file_or_from_stdin(daemon: Daemon, shell: Shell) -> None:
    (daemon.out / "job.json").write_text(spec_of(daemon, "file-1.mp4", "file-2.mp4"))
    from_file = shell.result("submit", "--spec", "job.json", "--wait")["job"]
    from_stdin = shell.result("submit", "--spec", "-", "--wait", stdin=spec_of(daemon, "stdin.mp4"))["job"]
    assert (from_file["completed_outputs"], from_stdin["completed_outputs"]) == (2, 1)


def test_relative_paths_in_a_spec_are_made_absolute_and_options_replace_what_it_says(
    held: Daemon, shell: Shell
) -> None:
    spec = {"name": "spec", "priority": 5, **quick(Path("inner.mp4"))}
    job = shell.result("submit", "--spec", "-", "--name", "option", stdin=json.dumps(spec))["job"]
    assert job["outputs"][0]["path"] == str(held.out / "inner.mp4")
    assert (job["name"], job["priority"]) == ("option", 5)


# ---------------------------------------------------------------- what it refuses


WRONG = [
    (["in.mov", "out.mp4", "-c:v", "libx264"], "rushes submit in.mov out.mp4 -- -c:v"),
    (["in.mov", "out.mp4", "-crf", "23"], "-- -crf"),
    (["-hide_banner", "in.mov", "out.mp4"], "-- -hide_banner"),
    (["-i", "in.mov"], "rushes submit in.mov out.mp4"),
    (["in.mov", "--", "-an", "out.mp4"], "before any --"),
    (["--tymeout", "3", "in.mov", "out.mp4"], "'--timeout'"),
    (["--timeout", "0", "in.mov", "out.mp4"], "'--timeout': must be a number of seconds, more than 0"),
    (["--stall-timeout", "nan", "in.mov", "out.mp4"], "'--stall-timeout': must be a number of seconds"),
    (["--timeout", "1e20", "in.mov", "out.mp4"], "--timeout"),
    (["--ttl", "-1", "in.mov", "out.mp4"], "'--ttl': must be a number of seconds, 0 or more"),
    (["--name", "x" * 201, "in.mov", "out.mp4"], "--name"),
    (["--metadata", "reel", "in.mov", "out.mp4"], "KEY=VALUE"),
    (["--metadata", f"reel={'x' * 1025}", "in.mov", "out.mp4"], "--metadata"),
    (["--spec", "-", "in.mov"], "--spec"),
    (["--spec", "-"], "not JSON"),
]
"""Words after `submit`, and what stands in the line that refuses them."""


def test_wrong_usage_says_what_would_be_right(shell: Shell) -> None:
    runs = shell.each(["submit", *words] for words, _ in WRONG)
    for ran, (words, said) in zip(runs, WRONG, strict=True):
        assert (ran.status, ran.out) == (WRONG_USAGE, ""), words
        assert said in ran.err


def test_a_spec_that_cannot_be_is_refused_as_the_daemon_would_with_the_field(daemon: Daemon, shell: Shell) -> None:
    spec = {**quick(daemon.out / "field.mp4"), "prioritty": 1}
    said = shell.fails(REFUSED, "submit", "--spec", "-", stdin=json.dumps(spec))
    assert "invalid" in said
    assert "job.prioritty" in said


def test_a_number_that_the_bus_cannot_carry_is_refused(daemon: Daemon, shell: Shell) -> None:
    spec = {**quick(daemon.out / "large.mp4"), "priority": 2**64}
    said = shell.fails(REFUSED, "submit", "--spec", "-", stdin=json.dumps(spec))
    assert said == "rushes: invalid: it holds a number of more than 64 bits, which the bus cannot carry\n"


def test_a_spec_without_a_bottom_is_wrong_usage_and_no_defect(shell: Shell) -> None:
    assert "<stdin>: not JSON" in shell.fails(WRONG_USAGE, "submit", "--spec", "-", stdin="[" * 100_000)


def test_an_input_that_is_not_there_is_refused_and_named(shell: Shell) -> None:
    said = shell.fails(REFUSED, "submit", "nowhere.mov", "out.mp4")
    assert "invalid" in said
    assert str(shell.folder / "nowhere.mov") in said
