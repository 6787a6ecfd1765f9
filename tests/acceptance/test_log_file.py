"""What the log says and where: in a file that is rotated while the daemon works, and as much as it is told to."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

from tests.support.daemon import Daemon, is_catalogued, refused_start, serving
from tests.support.fakes import tempered
from tests.support.jobs import quick
from tests.support.processes import eventually
from tests.support.shell import Shell
from tests.support.wire import Map


def test_a_log_that_is_rotated_while_jobs_run_has_every_line_once(tmp_path: Path) -> None:
    path = tmp_path / "rushes.log"
    with serving(slots=2, log_file=path) as daemon:
        for number in range(4):
            daemon.finish(quick(daemon.out / f"{number}.mp4"))
            eventually(lambda: len(completed(path)) == 1, "the job's last line")
            path.rename(tmp_path / f"rushes.log.{number}")
    files = [*(tmp_path / f"rushes.log.{number}" for number in range(4)), path]
    whole = [line for file in files for line in file.read_text().splitlines()]
    events = [json.loads(line)["event"] for line in whole]
    assert (events[0], events[-1]) == ("daemon_starting", "daemon_stopped")
    assert events.count("job_completed") == events.count("command_done") == 4
    assert all(map(is_catalogued, whole))
    assert daemon.stderr() == ""


def completed(path: Path) -> list[str]:
    """The jobs that a log says are complete."""
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return [line["job_id"] for line in lines if line["event"] == "job_completed"]


def test_a_log_file_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    where = (
        "--data",
        str(tmp_path / "data"),
        "--bus",
        f"ipc://{tmp_path}/bus",
        "--log-file",
        f"{tmp_path}/nowhere/x.log",
    )
    status, lines = refused_start(*where)
    assert status == 1
    assert len(lines) == 1
    assert f"{tmp_path}/nowhere/x.log cannot be written: No such file or directory" in lines[0]
    status, lines = refused_start(*where, "--log-format", "journal")
    assert status == 2
    assert "log_file" in lines[0]


def test_a_failed_start_is_told_of_in_the_file_and_to_whoever_started_it(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    missing = ("--ffmpeg", str(tmp_path / "no-ffmpeg"), "--log-file", str(path))
    status, lines = refused_start("--data", str(tmp_path / "data"), "--bus", f"ipc://{tmp_path}/bus", *missing)
    assert status == 1
    assert len(lines) == 1
    last = json.loads(path.read_text().splitlines()[-1])
    assert (last["level"], last["event"]) == ("error", "daemon_failed")
    assert last["error"] in lines[0]


def test_the_level_may_be_changed_while_the_daemon_runs(daemon: Daemon, shell: Shell) -> None:
    def said(of: str) -> bool:
        return any(line.get("job_id") == of for line in daemon.log())

    assert shell.do("log-level", "error") == "the log's level is error; it was info\n"
    quiet = daemon.finish(quick(daemon.out / "quiet.mp4"))["id"]
    assert shell.result("log-level", "info") == {"level": "info", "was": "error"}
    told = daemon.finish(quick(daemon.out / "told.mp4"))["id"]
    eventually(lambda: said(told), "it says more again")
    assert not said(quiet)
    entries = [entry["type"] for entry in daemon.result("audit")["entries"]]
    assert entries.count("log_level") == 2
    assert daemon.refusal("log_level", level="loud")["details"]["path"] == "level"
    assert "loud" in shell.fails(2, "log-level", "loud")


def test_only_an_admin_may_make_the_log_say_less(start: Callable[..., Daemon]) -> None:
    daemon = start(env={"RUSHES_DEFAULT_ROLE": "operator"})
    assert daemon.refusal("log_level", level="error")["code"] == "forbidden"
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0


def test_a_job_reads_as_a_story(daemon: Daemon) -> None:
    job_id = daemon.finish(quick(daemon.out / "story.mp4"))["id"]

    def story() -> list[str]:
        return [line["event"] for line in daemon.log() if line.get("job_id") == job_id]

    eventually(lambda: story()[-1:] == ["job_completed"], "the end of the story")
    told = story()
    assert told[:3] == ["command_done", "job_started", "child_started"]
    assert set(told[3:5]) == {"output_started", "child_ended"}, (
        "of so short a film the one who tells first may be either"
    )
    assert told[5:] == ["output_completed", "job_completed"]


def test_the_story_of_a_job_that_fails_again_and_again_says_each_time_of_what(temperamental: Path) -> None:
    with serving(ffmpeg=temperamental) as daemon:
        job = daemon.finish(tempered(quick(daemon.out / "again.mp4", max_attempts=2), "crashing"))

        def story() -> list[Map]:
            return [line for line in daemon.log() if line.get("job_id") == job["id"]]

        eventually(lambda: [line["event"] for line in story()[-1:]] == ["job_failed"], "the end of the story")
        again = next(line for line in story() if line["event"] == "job_requeued")
        failed = story()[-1]
    error = job["error"]
    for line, run in ((again, 1), (failed, 2)):
        assert (line["run"], line["code"], line["message"]) == (run, error["code"], error["message"])
    assert failed["output"] == 0
    assert again["at"] < again["not_before"] < failed["at"]
