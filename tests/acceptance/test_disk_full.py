"""Promise: a full disk refuses, it does not corrupt. What runs goes on, and all heals once there is room."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import contract
from tests.support.disks import MIB, SmallDisk, small_disk
from tests.support.faults import RESERVE_NAME, Tried, tried
from tests.support.fed import SECONDS, fed
from tests.support.jobs import lasting, quick
from tests.support.media import Clips
from tests.support.processes import eventually
from tests.support.wire import new_id

DATA_BYTES = 24 * MIB

PAGE_BYTES = 4096


@contextmanager
def on_small_disk(**options: Any) -> Iterator[tuple[Tried, SmallDisk]]:
    """A daemon whose data folder is a small disk."""
    with (
        small_disk(DATA_BYTES) as disk,
        tried(data_on=disk.path, expects={"store_full", "store_unavailable"}, grace=1, **options) as daemon,
    ):
        yield daemon, disk


def failed_job(daemon: Tried) -> str:
    """A job that could be retried."""
    source = daemon.base / "no-film"
    source.write_text("this is no film")
    target = {"path": str(daemon.out / "failed.mp4"), "args": []}
    view = daemon.finish({"inputs": [{"path": str(source)}], "outputs": [target]})
    assert view["status"] == "failed"
    return str(view["id"])


def test_a_full_data_disk_refuses_what_brings_work_and_heals_by_itself(clips: Clips) -> None:
    with on_small_disk(slots=1) as (daemon, disk):
        failed = failed_job(daemon)
        done = daemon.finish(quick(daemon.out / "done.mp4"))["id"]
        with daemon.listener() as listener, ExitStack() as feeding:
            running = feeding.enter_context(fed(daemon, "running"))
            child = daemon.child(running)
            queued = [daemon.submit(quick(daemon.out / f"queued-{number}.mp4"))["id"] for number in range(3)]
            listener.forget()
            disk.fill()
            again = new_id()
            refused = quick(daemon.out / "refused.mp4")
            assert daemon.code("submit", id=again, job=refused) == "unavailable"
            assert daemon.code("retry", job_id=failed) == "unavailable"
            assert daemon.code("boost", job_id=queued[1], front=True) == "unavailable"
            daemon.says("store_full")
            # What is read is there, and what ends things or makes room is taken, out of the reserve.
            assert daemon.view(running)["status"] == "processing"
            assert [job["id"] for job in daemon.result("list", order="queue")["jobs"]] == queued
            assert daemon.result("status")["queued"] == 3
            assert daemon.result("cancel", job_id=queued[0])["job"]["status"] == "cancelled"
            assert daemon.result("delete", job_id=done)["removed"] == [str(daemon.out / "done.mp4")]
            assert not (daemon.data / RESERVE_NAME).exists()
            assert daemon.code("submit", id=again, job=refused) == "unavailable"
            listener.await_heartbeat()
            assert daemon.child(running).ffmpeg.pid == child.ffmpeg.pid
            disk.make_room()
            # The same command as before, with the same id: it was not done, and is not remembered as refused.
            daemon.says("store_has_room")
            taken = daemon.submit(refused, id=again)["id"]
            assert (daemon.data / RESERVE_NAME).stat().st_size > 0
            assert daemon.code("boost", job_id=queued[2], front=True) == "ok"
            assert daemon.code("retry", job_id=failed) == "ok"
            feeding.close()
            assert daemon.outcome(running)["status"] == "completed"
            assert clips.probe(daemon.out / "running.mp4").duration == pytest.approx(SECONDS, abs=0.1)
            assert [daemon.outcome(job_id)["status"] for job_id in [*queued[1:], taken]] == ["completed"] * 3
            assert daemon.outcome(failed)["status"] == "failed"
        assert daemon.has_gapless_seq()
        assert [len(daemon.lines(name)) for name in ("store_full", "store_has_room")] == [1, 1]
        assert len(daemon.lines("daemon_starting")) == 1


def reported_bytes(daemon: Tried, job_id: str) -> int:
    """How much FFmpeg has reported of its progress. On a full disk it ends with a page, within a report."""
    return sum(path.stat().st_size for path in (daemon.data / "work" / job_id).glob("*/progress"))


def test_what_ends_while_nothing_at_all_can_be_written_is_told_once_there_is_room(clips: Clips) -> None:
    with on_small_disk(slots=3) as (daemon, disk), ExitStack() as stack:
        fed_job = stack.enter_context(fed(daemon, "fed"))
        eventually(lambda: reported_bytes(daemon, fed_job), "a report of its progress")
        killed, cancelled = (daemon.rendering(lasting(daemon.out / f"{name}.mp4")) for name in ("killed", "cancelled"))
        disk.fill()
        assert daemon.code("submit", job=quick(daemon.out / "refused.mp4")) == "unavailable"
        disk.fill()  # and what the reserve had held
        assert eventually(lambda: daemon.code("cancel", job_id=cancelled) == "unavailable", "no room for a cancel")
        disk.fill()
        child = daemon.child(killed)
        os.kill(child.ffmpeg.pid, signal.SIGKILL)
        eventually(lambda: not child.members(), "the child is gone")
        daemon.says("store_unavailable", len(daemon.lines("store_unavailable")) + 1)
        eventually(lambda: reported_bytes(daemon, fed_job) % PAGE_BYTES == 0, "a report of its progress is lost")
        assert daemon.view(killed)["status"] == "processing"
        disk.make_room()
        view = daemon.outcome(killed)
        assert (view["status"], view["error"]["code"]) == ("failed", "killed")
        # FFmpeg writes no further report after one that was lost; its output is proved all the same.
        stack.close()
        assert daemon.outcome(fed_job)["status"] == "completed"
        assert clips.probe(daemon.out / "fed.mp4").duration == pytest.approx(SECONDS, abs=0.1)
        assert daemon.view(cancelled)["status"] == "processing", "an unavailable cancel has changed nothing"
        assert daemon.result("cancel", job_id=cancelled, wait=30)["job"]["status"] == "cancelled"
        assert daemon.has_gapless_seq()


def test_a_daemon_that_dies_on_a_full_disk_is_started_on_it_and_has_lost_nothing() -> None:
    with on_small_disk(slots=1) as (daemon, disk):
        running = daemon.rendering(lasting(daemon.out / "running.mp4"))
        queued = [daemon.submit(quick(daemon.out / f"{number}.mp4"))["id"] for number in range(3)]
        child = daemon.child(running)
        disk.fill()
        assert daemon.code("submit", job=quick(daemon.out / "refused.mp4")) == "unavailable"
        assert daemon.code("cancel", job_id=queued[0]) == "ok"
        daemon.kill9()
        daemon.start()
        assert daemon.child(running).ffmpeg.pid == child.ffmpeg.pid
        assert [daemon.view(job_id)["status"] for job_id in queued] == ["cancelled", "queued", "queued"]
        assert daemon.result("cancel", job_id=running, wait=30)["job"]["status"] == "cancelled"
        disk.make_room()
        assert [daemon.outcome(job_id)["status"] for job_id in queued[1:]] == ["completed"] * 2
        assert daemon.has_gapless_seq()


@pytest.mark.parametrize("left", [0, 36 * 1024], ids=["nothing", "just enough for opening the store"])
def test_a_daemon_is_started_on_a_disk_that_filled_while_it_was_away(left: int) -> None:
    with on_small_disk(slots=1) as (daemon, disk):
        daemon.result("drain")
        queued = [daemon.submit(quick(daemon.out / f"{number}.mp4"))["id"] for number in range(2)]
        assert daemon.terminate() == 0
        disk.fill(leave=left)
        daemon.start()
        assert [daemon.view(job_id)["status"] for job_id in queued] == ["queued"] * 2
        assert daemon.code("submit", job=quick(daemon.out / "refused.mp4")) == "unavailable"
        assert daemon.code("cancel", job_id=queued[0]) == "ok"
        disk.make_room()
        assert daemon.code("resume") == "ok"
        assert daemon.outcome(queued[1])["status"] == "completed"
        assert daemon.has_gapless_seq()


def test_no_job_is_started_on_a_full_data_disk_even_while_the_store_has_room_of_its_own() -> None:
    with on_small_disk(slots=1) as (daemon, disk):
        # The store's write-ahead log is as long as it gets: what is written now needs no more of the disk.
        daemon.result("drain")
        log, before = Path(f"{daemon.store}-wal"), 0
        while (size := log.stat().st_size) != before:  # once it is not, it is written from its start again
            before = size
            grown = daemon.submit(quick(daemon.out / "grown.mp4"))["id"]
            daemon.result("delete", job_id=grown, force=True)
        daemon.result("resume")
        running = daemon.rendering(lasting(daemon.out / "running.mp4", 2.5))
        queued = [daemon.submit(quick(daemon.out / f"{number}.mp4"))["id"] for number in range(3)]
        disk.fill()
        assert daemon.code("submit", job=quick(daemon.out / "refused.mp4")) == "unavailable"
        assert daemon.outcome(running)["status"] == "completed"
        assert [daemon.view(job_id)["status"] for job_id in queued] == ["queued"] * 3
        disk.make_room()
        assert [daemon.outcome(job_id)["status"] for job_id in queued] == ["completed"] * 3
        assert [daemon.view(job_id)["attempts"] for job_id in queued] == [1] * 3


def test_an_output_whose_disk_fills_up_fails_as_that_and_costs_no_other_job() -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(MIB))
        daemon = stack.enter_context(tried(slots=2, min_free=0))
        other = daemon.rendering(lasting(daemon.out / "other.mp4", 2))
        view = daemon.finish(large(disk.path / "full.avi"))
        contract.check(view, contract.JOB)
        assert (view["status"], view["error"]["code"]) == ("failed", "disk_full")
        assert "make room" in view["error"]["remedy"]
        assert view["outputs"][0]["status"] == "failed"
        assert list(disk.path.iterdir()) == []
        assert daemon.outcome(other)["status"] == "completed"


def large(target: Path) -> dict[str, Any]:
    """A job whose output is some tens of megabytes."""
    args = ["-c:v", "rawvideo", "-t", "2"]
    source = {"path": "testsrc=size=640x360:rate=25", "args": ["-f", "lavfi"]}
    return {"inputs": [source], "outputs": [{"path": str(target), "args": args}]}
