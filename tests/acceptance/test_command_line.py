"""PROTOCOL.md section 5: what every client command shares. The words it prints are tested elsewhere."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.contract import JOB, STATUS, check
from tests.support.daemon import Daemon, clean_environment
from tests.support.jobs import quick
from tests.support.media import Clips

RUSHES = Path(sys.executable).parent / "rushes"
DONE, REFUSED, WRONG_USAGE, NO_DAEMON = 0, 1, 2, 3


def rushes(*words: str | Path, bus: str | None = None) -> "subprocess.CompletedProcess[str]":
    env = clean_environment({"RUSHES_BUS": bus} if bus else None)
    return subprocess.run(
        [RUSHES, *map(str, words)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, env=env,
    )  # fmt: skip


def test_json_is_the_result_map(daemon: Daemon) -> None:
    run = rushes("status", "--bus", daemon.bus, "--json")
    assert run.returncode == DONE, run.stderr
    check(json.loads(run.stdout), STATUS)


def test_the_bus_is_found_in_the_environment(daemon: Daemon) -> None:
    run = rushes("status", "--json", bus=daemon.bus)
    assert json.loads(run.stdout)["pid"] == daemon.pid


def test_submit_reads_like_ffmpeg_and_with_wait_ends_with_the_job(daemon: Daemon, clips: Clips) -> None:
    target = daemon.out / "cli.mp4"
    options = ["--", "-c:v", "libx264", "-preset", "ultrafast", "-vf", "scale=160:-2"]
    run = rushes("submit", "--bus", daemon.bus, "--wait", "--json", clips.clip(), target, *options)
    assert run.returncode == DONE, run.stderr
    assert clips.probe(target).width == 160


def test_a_job_is_listed_shown_and_deleted(daemon: Daemon) -> None:
    job_id = daemon.finish(quick(daemon.out / "shown.mp4"))["id"]
    listed = json.loads(rushes("list", "--json", bus=daemon.bus).stdout)["jobs"]
    assert job_id in {job["id"] for job in listed}
    shown = json.loads(rushes("show", job_id[:8], "--json", bus=daemon.bus).stdout)["job"]
    check(shown, JOB)
    deleted = rushes("delete", job_id, "--yes", "--json", bus=daemon.bus)
    assert deleted.returncode == DONE, deleted.stderr
    assert not (daemon.out / "shown.mp4").exists()


def test_a_failed_job_makes_submit_with_wait_end_with_one(daemon: Daemon, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mov"
    broken.write_bytes(b"no film")
    run = rushes("submit", "--wait", broken, daemon.out / "fails.mp4", bus=daemon.bus)
    assert run.returncode == REFUSED


@pytest.mark.parametrize(
    "words", [["show", "a" * 16], ["cancel", "a" * 16, "--yes"], ["retry", "a" * 16]], ids=" ".join
)
def test_what_the_daemon_refuses_ends_with_one_and_the_code_on_stderr(daemon: Daemon, words: list[str]) -> None:
    run = rushes(*words, bus=daemon.bus)
    assert run.returncode == REFUSED
    assert "not_found" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    "words", [["no-such-command"], ["show"], ["list", "--limit", "many"], ["status", "--bus", "x"]]
)
def test_wrong_usage_ends_with_two(words: list[str]) -> None:
    run = rushes(*words)
    assert run.returncode == WRONG_USAGE
    assert run.stderr
    assert "Traceback" not in run.stderr


def test_where_no_daemon_answers_every_command_ends_with_three(tmp_path: Path) -> None:
    commands = (["status"], ["list"], ["show", "a" * 16], ["shutdown"])
    with ThreadPoolExecutor() as pool:  # each waits some seconds for a daemon to come back
        runs = list(pool.map(lambda words: rushes(*words, bus=f"ipc://{tmp_path}/b"), commands))
    assert [run.returncode for run in runs] == [NO_DAEMON] * len(commands)
    assert not any("Traceback" in run.stderr for run in runs)
