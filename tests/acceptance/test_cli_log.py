"""`rushes log`: what FFmpeg said, and what it says, from one run of a job to the next."""

import getpass
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.endings import completed, dying
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.shell import DONE, INTERRUPTED, PIPE_CLOSED, REFUSED, WRONG_USAGE, Behind, Shell
from tests.support.wire import Map

ME = getpass.getuser()


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


def talking(target: Path) -> Map:
    """A job of which FFmpeg says a line for each frame, ten a second."""
    job = lasting(target)
    job["outputs"][0]["args"] += ["-vf", "showinfo"]
    return job


def heading(output: int, path: Path, attempt: int = 1) -> str:
    return f"==> output {output}, attempt {attempt}: {path} <=="


def await_said(log: Behind, text: str) -> None:
    eventually(lambda: text in log.err, f"{text!r} is said")


# ---------------------------------------------------------------- what was said


def test_log_prints_what_ffmpeg_said_and_its_end_alone_where_asked(daemon: Daemon, shell: Shell) -> None:
    job_id = dying(daemon, "said")
    daemon.outcome(job_id)
    assert shell.do("log", job_id) == "this is the reason\n"
    done = completed(daemon, "whole")
    whole = shell.do("log", done)
    assert "mpeg4" in whole
    ran = shell.run("log", done, "--tail", "1")
    assert ran.out == whole.splitlines(keepends=True)[-1]
    assert "without --tail" in ran.err


def test_log_is_of_the_output_and_the_attempt_that_are_named(daemon: Daemon, shell: Shell) -> None:
    job = quick(daemon.out / "zero.mp4", daemon.out / "one.mp4")
    for output, title in zip(job["outputs"], ("nought", "unity"), strict=True):
        output["args"] += ["-metadata", f"title={title}"]
    done = daemon.finish(job)["id"]
    assert "nought" in shell.do("log", done, "--output", "0")
    assert "unity" in shell.do("log", done, "--output", "1")
    assert shell.do("log", done, "--output", "0", "--attempt", "1") == shell.do("log", done, "--output", "0")
    said = shell.fails(REFUSED, "log", done, "--output", "2")
    assert said == f"rushes: not_found: job {done} has no output 2; it has 2, numbered from 0\n"
    assert "not_found" in shell.fails(REFUSED, "log", done, "--attempt", "7")


def test_log_as_json_is_the_result_of_the_protocol(daemon: Daemon, shell: Shell) -> None:
    job_id = dying(daemon, "json")
    daemon.outcome(job_id)
    result = shell.result("log", job_id)
    assert (result["text"], result["truncated"]) == ("this is the reason\n", False)


def test_log_of_a_job_that_has_not_run_is_not_found_and_wrong_words_are_told(held: Daemon, shell: Shell) -> None:
    job_id = held.submit(quick(held.out / "unrun.mp4"))["id"]
    assert "has no such run of FFmpeg (yet)" in shell.fails(REFUSED, "log", job_id)
    assert "--follow prints text as it comes: no --json" in shell.fails(WRONG_USAGE, "log", job_id, "-f", "--json")
    for option, least in (("--tail", 1), ("--attempt", 1), ("--output", 0)):
        said = shell.fails(WRONG_USAGE, "log", job_id, option, "-1")
        assert f"'{option}': must be a whole number, {least} or more, not '-1'" in said
    for words in (["--output", "1"], ["--output", "1", "-f"]):
        said = shell.fails(REFUSED, "log", job_id, *words)
        assert said == f"rushes: not_found: job {job_id} has no output 1; it has 1, numbered from 0\n"
    assert "not_found: there is no job" in shell.fails(REFUSED, "log", "a" * 16, "-f")


# ---------------------------------------------------------------- what is being said


def test_it_follows_a_job_over_its_outputs_and_ends_with_it(held: Daemon, shell: Shell) -> None:
    job = lasting(held.out / "followed.mp4", 1)
    args = ["-t", "0.2", "-c:v", "mpeg4", "-metadata", "title=the next"]
    job["outputs"].append({"path": str(held.out / "next.mp4"), "args": args})
    job_id = held.submit(job)["id"]
    with shell.behind("log", job_id, "--follow") as log:
        await_said(log, "==> queued at place 1; waiting for FFmpeg to begin\n")
        held.result("resume")
        assert log.ended() == DONE
        _, *heads, end = log.err.splitlines()
        assert heads == [heading(index, held.out / name) for index, name in enumerate(("followed.mp4", "next.mp4"))]
        assert end.startswith("==> completed in ")
        assert "the next" in log.out
        assert log.out == shell.do("log", job_id, "--output", "0") + shell.do("log", job_id, "--output", "1")
    assert held.view(job_id)["status"] == "completed"


def test_it_waits_for_a_queued_job_and_goes_on_over_its_attempts(held: Daemon, shell: Shell) -> None:
    path = held.out / "flaky.mp4"
    job = tempered(quick(path, max_attempts=2), "flaky")
    held.submit(quick(held.out / "before.mp4"))
    job_id = held.submit(job)["id"]
    with shell.behind("log", job_id, "-f") as log:
        await_said(log, "==> queued at place 2; waiting for FFmpeg to begin\n")
        held.result("resume")
        assert log.ended() == DONE
        waiting, first, again, second, end = log.err.splitlines()
        assert waiting.startswith("==> queued")
        assert (first, second) == (heading(0, path), heading(0, path, 2))
        assert again.startswith("==> requeued again at ")
        assert again.endswith(", attempt 1")
        assert end.startswith("==> completed in ")
        assert log.out == shell.do("log", job_id, "--attempt", "1") + shell.do("log", job_id, "--attempt", "2")
        assert "lavfi" in log.out


def test_of_a_job_that_has_ended_it_prints_the_latest_run_and_how_it_ended(daemon: Daemon, shell: Shell) -> None:
    job_id = dying(daemon, "ended")
    daemon.outcome(job_id)
    ran = shell.run("log", job_id, "-f")
    assert (ran.status, ran.out) == (DONE, "this is the reason\n")
    head, end = ran.err.splitlines()
    assert head == heading(0, daemon.out / "ended.mp4")
    assert end.startswith("==> failed unknown: FFmpeg ended with status 1: this is the reason")
    done = completed(daemon, "nought", "unity")
    ran = shell.run("log", done, "-f", "--tail", "1")
    assert ran.out == shell.do("log", done).splitlines(keepends=True)[-1]
    assert ran.err.splitlines()[0] == heading(1, daemon.out / "unity.mp4")
    assert shell.do("log", done, "-f", "--output", "0") == shell.do("log", done, "--output", "0")


def test_lines_come_while_ffmpeg_says_them_and_go_on_over_a_daemon_that_was_killed(
    daemon: Daemon, shell: Shell
) -> None:
    job_id = daemon.rendering(talking(daemon.out / "talking.mp4"))

    def frames() -> int:
        return log.out.count("] n:")

    with shell.behind("log", job_id, "-f") as log:
        eventually(lambda: frames() > 3, "it talks")
        daemon.kill9()
        await_said(log, f"rushes: no daemon answers at {daemon.bus}; waiting for it\n")
        before = frames()
        daemon.start()
        await_said(log, f"The daemon at {daemon.bus} is back.\n")
        eventually(lambda: frames() > before, "it talks on")
        daemon.result("cancel", job_id=job_id, wait=30)
        assert log.ended() == DONE
        assert log.out == shell.do("log", job_id)
        assert log.err.count("no daemon answers") == log.err.count("is back") == log.err.count("<==") == 1
        assert log.err.splitlines()[-1].startswith("==> cancelled by ")


def test_where_ffmpeg_says_more_than_is_kept_it_says_so_and_goes_on(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.underway(tempered(quick(daemon.out / "bursting.mp4"), "bursting"))
    with shell.behind("log", job_id, "-f") as log:
        eventually(lambda: log.out, "it talks")
        (daemon.base / "burst-now").touch()
        assert log.ended() == DONE
        assert "==> FFmpeg said more than is kept; some of it is left out <==" in log.err.splitlines()
        assert log.out.startswith("these are the first words\n")
        assert log.out.endswith(shell.do("log", job_id, "--tail", "5"))
        assert "lavfi" in log.out
        assert len(log.out) < 10_000_000


def test_an_output_that_is_chosen_ends_it_though_the_job_goes_on(held: Daemon, shell: Shell) -> None:
    paths = [held.out / f"{name}.mp4" for name in ("not", "this", "nor")]
    job = quick(*paths)
    job["outputs"][2] = {**lasting(paths[2])["outputs"][0], "inputs": lasting(paths[2])["inputs"]}
    job_id = held.submit(job)["id"]
    with shell.behind("log", job_id, "-f", "--output", "1") as log:
        await_said(log, "waiting")
        held.result("resume")
        assert log.ended() == DONE
        assert [line for line in log.err.splitlines() if "<==" in line] == [heading(1, paths[1])]
        assert log.out == shell.do("log", job_id, "--output", "1")
    assert held.view(job_id)["status"] == "processing"


def test_an_attempt_that_is_chosen_is_the_only_one(held: Daemon, shell: Shell) -> None:
    path = held.out / "twice.mp4"
    job_id = held.submit(tempered(quick(path, max_attempts=2), "flaky"))["id"]
    with (
        shell.behind("log", job_id, "-f", "--attempt", "1") as first,
        shell.behind("log", job_id, "-f", "--attempt", "2") as second,
        shell.behind("log", job_id, "-f", "--attempt", "7") as never,
    ):
        for log in (first, second, never):
            await_said(log, "waiting")
        held.result("resume")
        for log, attempt in ((first, 1), (second, 2)):
            assert log.ended() == DONE
            assert [line for line in log.err.splitlines() if "<==" in line] == [heading(0, path, attempt)]
            assert log.out == shell.do("log", job_id, "--attempt", str(attempt))
        assert "completed" not in first.err
        assert (never.ended(), never.out) == (REFUSED, "")
        assert never.err.endswith(f"rushes: not_found: job {job_id} has no such run of FFmpeg (yet)\n")


def test_why_nothing_comes_is_said_of_a_job_that_is_paused(held: Daemon, shell: Shell) -> None:
    job_id = held.submit(quick(held.out / "paused.mp4"))["id"]
    held.result("pause", job_id=job_id)
    with shell.behind("log", job_id, "-f") as log:
        await_said(log, f"==> queued at place 1; {ME} paused it at ")
        held.result("unpause", job_id=job_id)
        await_said(log, f"==> unpaused by {ME}\n")
        held.result("pause", job_id=job_id)
        await_said(log, f"==> paused by {ME}\n")
        held.result("unpause", job_id=job_id)
        held.result("resume")
        assert log.ended() == DONE
        assert "==> completed in " in log.err


def test_a_job_that_is_cancelled_or_deleted_before_it_runs_ends_it(held: Daemon, shell: Shell) -> None:
    for kind, more in (("cancel", {}), ("delete", {"force": True})):
        job_id = held.submit(quick(held.out / f"{kind}.mp4"))["id"]
        with shell.behind("log", job_id, "-f") as log:
            await_said(log, "waiting")
            held.result(kind, job_id=job_id, wait=30, **more)
            assert (log.ended(), log.out) == (DONE, "")
            assert log.err.splitlines()[1].startswith("==> cancelled by ")


def test_another_database_that_does_not_know_the_job_ends_it(start: Callable[..., Daemon]) -> None:
    daemon = start(slots=1)
    daemon.result("drain")
    job_id = daemon.submit(quick(daemon.out / "lost.mp4"))["id"]
    with Shell(daemon.bus, daemon.out).behind("log", job_id, "-f") as log:
        await_said(log, "waiting")
        daemon.terminate()
        for file in daemon.data.glob("rushes.sqlite3*"):
            file.unlink()
        daemon.start()
        assert log.ended() == REFUSED
        assert "Another database answers at" in log.err
        assert log.err.endswith(f"rushes: not_found: there is no job {job_id}\n")


# ---------------------------------------------------------------- pipes and terminals


def test_a_pipe_gets_ffmpegs_words_alone_and_may_close_though_nothing_more_comes(daemon: Daemon, shell: Shell) -> None:
    path = daemon.out / "quiet.mp4"
    job_id = daemon.rendering(lasting(path))
    ran = shell.script(f'rushes log {job_id} -f | head -n 1; echo "${{PIPESTATUS[0]}}"')
    line, status = ran.out.splitlines()
    assert line == shell.do("log", job_id).splitlines()[0]
    assert (int(status), ran.err) == (PIPE_CLOSED, heading(0, path) + "\n")
    with shell.behind("log", job_id, "-f") as log:
        eventually(lambda: log.out, "it follows")
        assert log.interrupt() == INTERRUPTED
        assert log.err.strip() == heading(0, path)


def test_at_a_terminal_headings_stand_between_the_runs_and_no_word_commands_it(held: Daemon, shell: Shell) -> None:
    paths = [held.out / "first.mp4", held.out / "second.mp4"]
    job = tempered(quick(paths[0]), "commanding")
    job["outputs"].append({"path": str(paths[1]), "args": ["-t", "0.2", "-c:v", "mpeg4", "-metadata", "title=later"]})
    job_id = held.submit(job)["id"]
    with shell.terminal("log", job_id, "-f", columns=200) as terminal:
        terminal.await_text("waiting")
        held.result("resume")
        assert terminal.ended() == DONE
    shown = terminal.text
    order = [
        shown.index(word)
        for word in (heading(0, paths[0]), "calm words", heading(1, paths[1]), "later", "==> completed")
    ]
    assert order == sorted(order)
    assert not any(order in terminal.shown for order in ("\x1b[2J", "\x1b]0", "\x07"))
    assert "\x1b[2Jcalm\x1b]0;owned\x07 words" in shell.do("log", job_id, "--output", "0"), "a pipe gets it as it is"
    assert all(line.startswith("==>") for line in shown.splitlines() if "==>" in line)
