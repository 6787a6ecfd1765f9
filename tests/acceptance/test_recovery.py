"""DESIGN.md: children outlive a crash of the daemon and are adopted; what cannot be is done again."""

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.daemon import Child, Daemon
from tests.support.fakes import fake_ffmpeg, recorded_runs
from tests.support.jobs import lasting, quick
from tests.support.media import Clips
from tests.support.processes import eventually

Start = Callable[..., Daemon]


@pytest.fixture
def recording(start: Start, ffmpeg: Path, tmp_path: Path) -> Daemon:
    """A daemon whose FFmpeg notes each run."""
    return start(slots=2, ffmpeg=fake_ffmpeg("recording", tmp_path, ffmpeg))


def kill_child(child: Child) -> None:
    os.killpg(child.shim.pid, signal.SIGKILL)
    eventually(lambda: not child.members(), "the child is gone")


def test_a_child_outlives_the_daemons_death_and_is_adopted_and_finished(
    recording: Daemon, clips: Clips, tmp_path: Path
) -> None:
    target = recording.out / "adopted.mp4"
    job_id = recording.rendering(lasting(target, 3))
    child = recording.child(job_id)
    recording.kill9()
    assert child.ffmpeg.pid in {member.pid for member in child.members()}
    recording.start()
    assert recording.child(job_id).ffmpeg.pid == child.ffmpeg.pid
    assert recording.view(job_id)["status"] == "processing"
    view = recording.outcome(job_id)
    assert (view["status"], view["attempts"]) == ("completed", 1)
    assert len(recorded_runs(tmp_path)) == 1
    assert recording.kinds(job_id) == [
        "submitted", "started", "output_started", "output_completed", "completed"
    ]  # fmt: skip
    assert clips.probe(target).duration == pytest.approx(3, abs=0.2)
    assert not child.members()


def test_an_adopted_child_goes_on_telling_its_progress_and_obeys_q(start: Start) -> None:
    daemon = start(grace=20)
    job_id = daemon.rendering(lasting(daemon.out / "obeys.mp4", 600))
    child = daemon.child(job_id)
    daemon.restart()
    with daemon.listener("job.") as listener:
        first = listener.wait_for("job.progress", job_id)["data"]["progress"]
        assert first > 0
    view = daemon.result("cancel", job_id=job_id, wait=30)["job"]
    assert view["status"] == "cancelled"
    assert daemon.stages(job_id) == ["q"]
    assert not child.members()
    assert not list(daemon.out.iterdir())


def test_a_child_that_ends_while_no_daemon_is_there_has_completed_its_job(
    recording: Daemon, clips: Clips, tmp_path: Path
) -> None:
    target = recording.out / "alone.mp4"
    job_id = recording.rendering(lasting(target, 1.5))
    child = recording.child(job_id)
    recording.kill9()
    eventually(lambda: not child.members(), "the child has ended")
    assert not target.exists(), "nobody was there to prove it"
    recording.start()
    view = recording.outcome(job_id)
    assert (view["status"], view["attempts"]) == ("completed", 1)
    assert len(recorded_runs(tmp_path)) == 1
    assert clips.probe(target).duration == pytest.approx(1.5, abs=0.2)


def test_a_child_that_fails_while_no_daemon_is_there_has_failed_its_job(
    start: Start, ffmpeg: Path, tmp_path: Path
) -> None:
    daemon = start(ffmpeg=fake_ffmpeg("doomed", tmp_path, ffmpeg))
    job_id = daemon.submit(quick(daemon.out / "fails.mp4"))["id"]
    child = daemon.child(job_id)
    daemon.kill9()
    (tmp_path / "fail-now").touch()
    eventually(lambda: not child.members(), "the child has ended")
    daemon.start()
    view = daemon.outcome(job_id)
    assert (view["status"], view["attempts"]) == ("failed", 1)
    assert "this is the reason" in view["error"]["message"]


def test_a_child_that_was_killed_while_no_daemon_was_there_is_rendered_again(
    recording: Daemon, clips: Clips, tmp_path: Path
) -> None:
    target = recording.out / "again.mp4"
    job_id = recording.rendering(lasting(target, 1.5))
    child = recording.child(job_id)
    recording.kill9()
    kill_child(child)
    recording.start()
    view = recording.outcome(job_id)
    assert view["status"] == "completed"
    assert recording.event(job_id, "requeued")["data"]["why"] == "recovery"
    assert len(recorded_runs(tmp_path)) == 2
    assert clips.probe(target).duration == pytest.approx(1.5, abs=0.2)


def test_every_job_of_a_full_house_is_adopted(start: Start) -> None:
    daemon = start(slots=4)
    jobs = [daemon.rendering(lasting(daemon.out / f"{number}.mp4", 3)) for number in range(4)]
    waiting = daemon.submit(quick(daemon.out / "waiting.mp4"))["id"]
    pids = [daemon.child(job_id).ffmpeg.pid for job_id in jobs]
    daemon.restart()
    assert [daemon.child(job_id).ffmpeg.pid for job_id in jobs] == pids
    assert {daemon.outcome(job_id)["status"] for job_id in [*jobs, waiting]} == {"completed"}
    assert {daemon.view(job_id)["attempts"] for job_id in jobs} == {1}


def test_a_daemon_that_dies_again_and_again_costs_no_encoding(recording: Daemon, tmp_path: Path) -> None:
    job_id = recording.rendering(lasting(recording.out / "often.mp4", 4))
    for _ in range(3):
        recording.restart()
    assert recording.outcome(job_id)["status"] == "completed"
    assert len(recorded_runs(tmp_path)) == 1


def test_a_job_is_whole_whenever_the_daemon_dies_in_its_short_life(own: Daemon, clips: Clips) -> None:
    for number in range(6):
        target = own.out / f"any-{number}.mp4"
        job_id = own.submit(quick(target))["id"]
        for kind in ("started", "output_started", "output_completed")[: number % 4]:
            own.event(job_id, kind)
        own.restart()
        view = own.outcome(job_id)
        assert view["status"] == "completed", view["error"]
        assert clips.probe(target).duration == pytest.approx(0.5, abs=0.1)
        assert own.kinds(job_id).count("completed") == 1
        assert own.kinds(job_id).count("output_completed") == 1


def test_the_seq_goes_on_without_a_gap_over_a_death(own: Daemon) -> None:
    job_id = own.rendering(lasting(own.out / "seq.mp4", 2))
    own.restart()
    own.outcome(job_id)
    seqs = [event["seq"] for event in own.events()]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_partial_file_that_nobody_owns_is_swept(own: Daemon) -> None:
    job_id = own.rendering(lasting(own.out / "swept.mp4", 600))
    child = own.child(job_id)
    own.result("drain")
    own.kill9()
    kill_child(child)
    assert list(own.out.glob(".rushes-*"))
    own.start()
    own.event(job_id, "requeued")
    assert not list(own.out.glob(".rushes-*"))


def test_a_process_with_the_pid_of_a_child_that_is_another_is_left_alone(own: Daemon, tmp_path: Path) -> None:
    job_id = own.rendering(lasting(own.out / "other.mp4", 1.5))
    child = own.child(job_id)
    own.kill9()
    kill_child(child)
    (pid_file,) = (own.data / "work" / job_id).glob("*/pid")
    boot, _, line = pid_file.read_text().partition(" ")
    mine = Path("/proc/self/stat").read_text()
    pid_file.write_text(f"{boot} {mine.partition(' ')[0]} {line.partition(' ')[2]}")
    own.start()
    assert own.outcome(job_id)["status"] == "completed"
    assert own.event(job_id, "requeued")["data"]["why"] == "recovery"


def test_the_store_is_sound_after_many_deaths(own: Daemon) -> None:
    for number in range(4):
        for part in range(5):
            own.wire.send("submit", job=quick(own.out / f"{number}-{part}.mp4"))
        own.restart()
    own.terminate()
    store = find_store(own.data)
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    own.start()


def find_store(folder: Path) -> Path:
    """The one SQLite file in the data folder."""
    (found,) = [path for path in folder.iterdir() if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"]
    return found
