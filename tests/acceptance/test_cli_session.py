"""`rushes session --wait`: until nothing of a session is left to do, whatever is added, retried or deleted then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.shell import DONE, ESCAPE, INTERRUPTED, REFUSED, Shell


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


@pytest.fixture
def let_go(daemon: Daemon) -> Path:
    """What an FFmpeg that is held waits for."""
    path = daemon.base / "let-go"
    path.unlink(missing_ok=True)
    return path


def test_what_is_added_or_retried_meanwhile_is_waited_for(daemon: Daemon, shell: Shell, let_go: Path) -> None:
    out, session = daemon.out, "grows"
    failed = daemon.finish(tempered(quick(out / "retried.mp4", session=session), "flaky"))["id"]
    first = daemon.underway(tempered(quick(out / "first.mp4", session=session), "held"))
    with shell.behind("session", session, "--wait") as waiting:
        eventually(lambda: f"{session}  50%  processing 1  failed 1" in waiting.err, "it waits")
        daemon.result("drain")
        daemon.result("retry", job_id=failed)
        daemon.submit(quick(out / "added.mp4", session=session))
        let_go.touch()
        assert daemon.outcome(first)["status"] == "completed"
        daemon.result("resume")
        assert waiting.ended() == DONE
        assert waiting.out.startswith(f"{session}: 3 jobs, completed 3\n")


def test_those_that_did_not_complete_are_named_and_how_to_list_them(held: Daemon, shell: Shell) -> None:
    ids = [held.submit(quick(held.out / f"lost-{number}.mp4", session="it's lost"))["id"] for number in range(12)]
    for job_id in ids:
        held.result("cancel", job_id=job_id, reason="wrong take")
    ran = shell.run("session", "it's lost", "--wait")
    first, *reasons = ran.err.splitlines()
    assert (ran.status, len(reasons)) == (REFUSED, 10)
    assert reasons[0].startswith(f"rushes: {ids[0]}: cancelled by ")
    said, _, command = first.partition(": ")
    assert said == "12 jobs did not complete"
    listed = shell.script(f"{command} --json")
    assert all(job_id in listed.out for job_id in ids)


def test_a_job_that_is_deleted_meanwhile_did_not_complete(daemon: Daemon, shell: Shell, let_go: Path) -> None:
    completed = daemon.finish(quick(daemon.out / "kept.mp4", session="shrinks"))["id"]
    deleted = daemon.rendering(lasting(daemon.out / "gone.mp4", session="shrinks"))
    last = daemon.underway(tempered(quick(daemon.out / "last.mp4", session="shrinks"), "held"))
    with shell.behind("session", "shrinks", "--wait", "--json") as waiting:
        eventually(lambda: "processing 2" in waiting.err, "it waits")
        daemon.result("delete", job_id=deleted, force=True)
        daemon.result("delete", job_id=completed)
        let_go.touch()
        assert daemon.outcome(last)["status"] == "completed"
        assert waiting.ended() == REFUSED
        assert waiting.err.endswith("rushes: 1 job deleted meanwhile, before completion\n")
        assert waiting.events()[0]["counts"]["completed"] == 1


def test_a_session_of_which_nothing_is_left_is_none_any_more(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "only.mp4", session="vanishes"))
    with shell.behind("session", "vanishes", "--wait") as waiting:
        eventually(lambda: "processing 1" in waiting.err, "it waits")
        daemon.result("delete", job_id=job_id, force=True)
        assert waiting.ended() == REFUSED
    assert "not_found" in shell.fails(REFUSED, "session", "vanishes", "--wait")


def test_whoever_gives_up_is_told_how_to_go_on(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "long.mp4", session="day two"))
    with shell.behind("session", "day two", "--wait") as waiting:
        eventually(lambda: "processing 1" in waiting.err, "it waits")
        assert waiting.interrupt() == INTERRUPTED
        assert "to go on waiting: rushes session 'day two' --wait\n" in waiting.err
    assert daemon.view(job_id)["status"] == "processing"


def test_at_a_terminal_one_line_is_written_over(daemon: Daemon, shell: Shell) -> None:
    first = daemon.rendering(lasting(daemon.out / "one.mp4", session="seen"))
    second = daemon.rendering(lasting(daemon.out / "two.mp4", session="seen"))
    with shell.terminal("session", "seen", "--wait", columns=44) as terminal:
        terminal.await_text("processing 2")
        daemon.result("cancel", job_id=first, wait=20)
        terminal.await_text("processing 1")
        assert f"{ESCAPE}[K" in terminal.shown
        daemon.result("cancel", job_id=second, wait=20)
        assert terminal.ended() == REFUSED
        lines = terminal.text.splitlines()
        assert max(len(line) for shown in lines for line in shown.split("\r") if "░" in line) < 44


def test_a_terminal_that_does_not_say_how_wide_it_is_is_shown_all(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "one.mp4", session="wide"))
    with shell.terminal("session", "wide", "--wait", columns=0) as terminal:
        terminal.await_text("processing 1")
        daemon.result("cancel", job_id=job_id, wait=20)
        assert terminal.ended() == REFUSED


def test_it_waits_on_over_a_restart_of_the_daemon(daemon: Daemon, shell: Shell, let_go: Path) -> None:
    daemon.underway(tempered(quick(daemon.out / "over.mp4", session="over"), "held"))
    with shell.behind("session", "over", "--wait") as waiting:
        eventually(lambda: "processing 1" in waiting.err, "it waits")
        daemon.restart()
        let_go.touch()
        assert waiting.ended() == DONE
        assert waiting.out.startswith("over: 1 job, completed 1\n")
