"""An FFmpeg that misbehaves: it costs its own job, never the daemon."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contract import ERROR, check
from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.wire import Map

MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


def room_taken(folder: Path) -> int:
    """The bytes that a folder's files take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def error_of(daemon: Daemon, temper: str) -> Map:
    """The error of a job whose FFmpeg has that temper."""
    view = daemon.finish(tempered(quick(daemon.out / "a.mp4"), temper))
    assert view["status"] == "failed"
    assert list(daemon.out.iterdir()) == []
    check(view["error"], ERROR)
    error: Map = view["error"]
    return error


def test_one_that_dies_at_once_fails_the_job_with_what_it_said(daemon: Daemon) -> None:
    assert "this is the reason" in error_of(daemon, "dying")["message"]


def test_one_that_crashes_fails_the_job_and_names_the_signal(daemon: Daemon) -> None:
    error = error_of(daemon, "crashing")
    assert "SIGSEGV" in error["message"]
    assert error["retryable"] is True


@pytest.mark.parametrize("temper", ["idle", "lying"])
def test_an_exit_status_of_zero_is_not_believed_without_proof(daemon: Daemon, temper: str) -> None:
    assert error_of(daemon, temper)["code"]


def test_one_that_says_a_hundred_megabytes_is_heard_out_and_its_log_stays_small(daemon: Daemon) -> None:
    view = daemon.finish(tempered(quick(daemon.out / "chatty.mp4"), "chatty"))
    assert view["status"] == "completed", view["error"]
    log = daemon.result("log", job_id=view["id"])
    assert log["truncated"] is True
    assert "nobody asked for" in log["text"].splitlines()[0]
    assert "lavfi" in log["text"][-10_000:], "the end of it is kept, too"
    assert room_taken(daemon.data) < 8 * MEBIBYTE
    (daemon.out / "chatty.mp4").unlink()


def test_the_daemon_goes_on_after_one_that_misbehaved(daemon: Daemon) -> None:
    pid = daemon.result("status")["pid"]
    for temper in ("crashing", "lying", "dying", "idle"):
        error_of(daemon, temper)
    target = daemon.out / "after.mp4"
    assert daemon.finish(quick(target))["status"] == "completed"
    assert daemon.result("status")["pid"] == pid
    target.unlink()


def test_a_child_killed_by_a_stranger_fails_the_job(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "stranger.mp4"))
    os.kill(daemon.child(job_id).ffmpeg.pid, signal.SIGKILL)
    view = daemon.outcome(job_id)
    assert view["status"] == "failed"
    assert "SIGKILL" in view["error"]["message"]
    assert list(daemon.out.iterdir()) == []


def test_a_shim_killed_by_a_stranger_leaves_nothing_running(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "shim.mp4"))
    child = daemon.child(job_id)
    os.kill(child.shim.pid, signal.SIGKILL)
    view = daemon.outcome(job_id)
    assert view["status"] == "failed"
    assert not child.members()
    assert list(daemon.out.iterdir()) == []
