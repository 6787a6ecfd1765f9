"""An FFmpeg that misbehaves: it costs its own job, never the daemon."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.contract import ERROR, check
from tests.support.daemon import Daemon
from tests.support.fakes import fake_ffmpeg
from tests.support.jobs import lasting, quick
from tests.support.wire import Map

Start = Callable[..., Daemon]
MEBIBYTE = 1024 * 1024


@pytest.fixture
def misbehaving(start: Start, ffmpeg: Path, tmp_path: Path) -> Callable[[str], Daemon]:
    """Starts a daemon whose FFmpeg misbehaves in that way."""
    return lambda behaviour: start(slots=1, grace=0.3, ffmpeg=fake_ffmpeg(behaviour, tmp_path, ffmpeg))


def room_taken(folder: Path) -> int:
    """The bytes that a folder's files take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def error_of(daemon: Daemon) -> Map:
    view = daemon.finish(quick(daemon.out / "a.mp4"))
    assert view["status"] == "failed"
    assert list(daemon.out.iterdir()) == []
    check(view["error"], ERROR)
    error: Map = view["error"]
    return error


def test_one_that_dies_at_once_fails_the_job_with_what_it_said(misbehaving: Callable[[str], Daemon]) -> None:
    assert "this is the reason" in error_of(misbehaving("dying"))["message"]


def test_one_that_crashes_fails_the_job_and_names_the_signal(misbehaving: Callable[[str], Daemon]) -> None:
    error = error_of(misbehaving("crashing"))
    assert "SIGSEGV" in error["message"]
    assert error["retryable"] is True


@pytest.mark.parametrize("behaviour", ["idle", "lying"])
def test_an_exit_status_of_zero_is_not_believed_without_proof(
    misbehaving: Callable[[str], Daemon], behaviour: str
) -> None:
    assert error_of(misbehaving(behaviour))["code"]


def test_one_that_says_a_hundred_megabytes_is_heard_out_and_its_log_stays_small(
    misbehaving: Callable[[str], Daemon],
) -> None:
    daemon = misbehaving("chatty")
    view = daemon.finish(quick(daemon.out / "a.mp4"))
    assert view["status"] == "completed", view["error"]
    log = daemon.result("log", job_id=view["id"])
    assert log["truncated"] is True
    assert "nobody asked for" in log["text"].splitlines()[0]
    assert "lavfi" in log["text"][-10_000:], "the end of it is kept, too"
    assert room_taken(daemon.data) < 8 * MEBIBYTE


def test_the_daemon_goes_on_after_one_that_misbehaved(misbehaving: Callable[[str], Daemon], ffmpeg: Path) -> None:
    daemon = misbehaving("crashing")
    error_of(daemon)
    daemon.terminate()
    daemon.start(ffmpeg=ffmpeg)
    assert daemon.finish(quick(daemon.out / "a.mp4"))["status"] == "completed"


def test_a_child_killed_by_a_stranger_fails_the_job(own: Daemon) -> None:
    job_id = own.rendering(lasting(own.out / "stranger.mp4"))
    os.kill(own.child(job_id).ffmpeg.pid, signal.SIGKILL)
    view = own.outcome(job_id)
    assert view["status"] == "failed"
    assert "SIGKILL" in view["error"]["message"]
    assert list(own.out.iterdir()) == []


def test_a_shim_killed_by_a_stranger_leaves_nothing_running(own: Daemon) -> None:
    job_id = own.rendering(lasting(own.out / "shim.mp4"))
    child = own.child(job_id)
    os.kill(child.shim.pid, signal.SIGKILL)
    view = own.outcome(job_id)
    assert view["status"] == "failed"
    assert not child.members()
    assert list(own.out.iterdir()) == []
