"""`rushes status`, `drain`, `resume`, `shutdown` and `serve`: the daemon itself."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contract import STATUS, check
from tests.support.daemon import Daemon, refused_start, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.shell import DONE, INTERRUPTED, REFUSED, WRONG_USAGE, Shell


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, ffmpeg=temperamental) as daemon:
        yield daemon


# ---------------------------------------------------------------- status, drain, resume


def test_status_says_who_answers_where_and_what_runs(daemon: Daemon, shell: Shell) -> None:
    daemon.rendering(lasting(daemon.out / "running.mp4"))
    first, second, counts = shell.do("status").splitlines()
    assert f"pid {daemon.pid}, up " in first
    assert first.endswith(f"at {daemon.bus}")
    assert second == "1 running (1 of 2 cpu), 0 queued"
    assert "processing 1" in counts


def test_status_as_json_is_the_result_of_the_protocol(daemon: Daemon, shell: Shell) -> None:
    result = shell.result("status")
    check(result, STATUS)
    assert result["pid"] == daemon.pid


def test_a_drain_is_told_of_until_it_is_resumed(daemon: Daemon, shell: Shell) -> None:
    assert shell.do("drain") == "draining: no further job starts until rushes resume\n"
    job_id = daemon.submit(quick(daemon.out / "held.mp4"))["id"]
    assert "0 running (0 of 2 cpu), 1 queued  draining: no further job starts" in shell.do("status")
    assert shell.do("resume") == "resumed: jobs start again\n"
    assert daemon.outcome(job_id)["status"] == "completed"
    assert "draining" not in shell.do("status")


def test_drain_and_resume_as_json_are_the_result_of_the_protocol(shell: Shell) -> None:
    assert shell.result("drain") == {"draining": True}
    assert shell.result("resume") == {"draining": False}


# ---------------------------------------------------------------- shutdown


def test_shutdown_with_wait_ends_when_the_daemon_has(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "stopped.mp4"))
    pid = daemon.pid
    assert shell.do("shutdown", "--wait") == f"pid {pid} has ended\n"
    assert daemon.ended() == 0
    daemon.start()
    assert "requeued" in daemon.kinds(job_id)


def test_shutdown_as_json_is_the_result_of_the_protocol(daemon: Daemon, shell: Shell) -> None:
    assert shell.result("shutdown", "--wait") == {"mode": "stop"}
    assert daemon.ended() == 0


def test_shutdown_that_drains_lets_running_jobs_finish_and_says_what_it_waits_for(daemon: Daemon, shell: Shell) -> None:
    job_id, pid = daemon.underway(tempered(quick(daemon.out / "awaited.mp4"), "held")), daemon.pid
    before = daemon.result("audit")["last_seq"]
    assert shell.do("shutdown", "--mode", "drain") == f"pid {pid} ends once its running jobs have finished\n"
    with shell.behind("shutdown", "--mode", "drain", "--wait") as waiting:
        eventually(lambda: len(daemon.result("audit", since=before)["entries"]) == 2, "both were taken")
        assert daemon.view(job_id)["status"] == "processing"
        (daemon.base / "let-go").touch()
        assert waiting.ended() == DONE
        assert waiting.out == f"pid {pid} has ended\n"
    assert daemon.ended() == 0
    daemon.start()
    assert daemon.view(job_id)["status"] == "completed"


def test_ctrl_c_while_a_daemon_drains_says_that_it_ends_all_the_same(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "drained.mp4"))
    with shell.terminal("shutdown", "--mode", "drain", "--wait") as terminal:
        terminal.await_text("1 job still running")
        terminal.interrupt()
        assert terminal.ended() == INTERRUPTED
    assert f"pid {daemon.pid} ends all the same; `rushes shutdown` has it end now" in terminal.text
    assert shell.do("shutdown", "--wait")
    assert daemon.ended() == 0
    daemon.start()
    assert "requeued" in daemon.kinds(job_id)


def test_shutdown_that_drains_names_what_will_not_finish_by_itself(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "paused.mp4"))
    daemon.result("pause", job_id=job_id)
    ran = shell.run("shutdown", "--mode", "drain")
    assert (ran.status, ran.err) == (DONE, f"1 paused job to unpause or cancel first: {job_id}\n")
    assert shell.do("unpause", job_id) == f"{job_id} goes on: paused.mp4\n"
    assert shell.do("cancel", job_id)
    assert daemon.ended() == 0


# ---------------------------------------------------------------- serve


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--slots", "0"],
            "Invalid value for '--slots': must be from 1 to 1024, or so many of resources (cpu=8,nvenc=2), not '0'",
        ),
        (
            ["--slots", "cpu=2,nvenc"],
            "Invalid value for '--slots': must be from 1 to 1024, or so many of resources "
            "(cpu=8,nvenc=2), not 'cpu=2,nvenc'",
        ),
        (["--grace", "-1"], "Invalid value for '--grace': must be from 0 to 600, not -1"),
        (["here"], "Got unexpected extra argument (here)"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_where_to_look(words: list[str], said: str) -> None:
    assert refused_start(*words) == (WRONG_USAGE, [f"rushes: {said}", "Try `rushes serve --help`."])


def test_an_address_that_is_none_is_wrong_usage_as_it_is_for_clients(tmp_path: Path, shell: Shell) -> None:
    status, lines = refused_start("--data", str(tmp_path / "data"), "--bus", "nonsense")
    assert status == WRONG_USAGE
    assert shell.fails(WRONG_USAGE, "status", "--bus", "nonsense").splitlines() == lines
    assert not (tmp_path / "data").exists()


def test_a_start_that_fails_is_told_once_in_the_form_of_the_log(daemon: Daemon, tmp_path: Path) -> None:
    words = ["--data", str(daemon.data), "--bus", f"ipc://{tmp_path}/bus", "--log-format"]
    status, lines = refused_start(*words, "json")
    assert status == REFUSED
    failure = json.loads(lines[-1])
    assert (failure["event"], failure["level"]) == ("daemon_failed", "error")
    assert f"another daemon (pid {daemon.pid})" in failure["error"]
    assert [line for line in lines if failure["error"] in line] == lines[-1:]

    status, lines = refused_start(*words, "console")
    assert status == REFUSED
    assert lines[-1] == f"rushes: {failure['error']}"
    assert [line for line in lines if failure["error"] in line] == lines[-1:]
