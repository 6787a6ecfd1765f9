"""DESIGN.md: children outlive a crash of the daemon and are adopted; what cannot be is done again."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.daemon import Child, Daemon, child_note, serving
from tests.support.fakes import noted_runs, tempered
from tests.support.fed import SECONDS, fed
from tests.support.jobs import lasting, quick
from tests.support.media import Clips
from tests.support.processes import eventually


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=4, grace=20, ffmpeg=temperamental) as daemon:
        yield daemon


def kill_child(child: Child) -> None:
    os.killpg(child.shim.pid, signal.SIGKILL)
    eventually(lambda: not child.members(), "the child is gone")


def test_a_child_outlives_the_daemons_death_and_is_adopted_and_finished(daemon: Daemon, clips: Clips) -> None:
    with fed(daemon, "adopted", "noting") as job_id:
        eventually(lambda: noted_runs(daemon.base, job_id) == 1, "the run is noted")
        child = daemon.child(job_id)
        daemon.kill9()
        assert child.ffmpeg.pid in {member.pid for member in child.members()}
        daemon.start()
        assert daemon.child(job_id).ffmpeg.pid == child.ffmpeg.pid
        assert daemon.view(job_id)["status"] == "processing"
    view = daemon.outcome(job_id)
    assert (view["status"], view["attempts"]) == ("completed", 1)
    assert noted_runs(daemon.base, job_id) == 1
    assert daemon.kinds(job_id) == [
        "submitted", "started", "output_started", "output_completed", "completed"
    ]  # fmt: skip
    assert clips.probe(daemon.out / "adopted.mp4").duration == pytest.approx(SECONDS, abs=0.1)
    assert not child.members()


def test_an_adopted_child_goes_on_telling_its_progress_and_obeys_q(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "obeys.mp4", 600))
    child = daemon.child(job_id)
    daemon.restart()
    with daemon.listener("job.") as listener:
        assert listener.progress(job_id) < 1
    view = daemon.result("cancel", job_id=job_id, wait=30)["job"]
    assert view["status"] == "cancelled"
    assert daemon.stages(job_id) == ["q"]
    assert not child.members()
    assert not list(daemon.out.glob("*obeys*"))
    assert not list(daemon.out.glob(".rushes-*"))


def test_a_child_that_ends_while_no_daemon_is_there_has_completed_its_job(daemon: Daemon, clips: Clips) -> None:
    target = daemon.out / "alone.mp4"
    job_id = daemon.rendering(tempered(lasting(target, 2), "noting"))
    child = daemon.child(job_id)
    daemon.kill9()
    eventually(lambda: not child.members(), "the child has ended")
    assert not target.exists(), "nobody was there to prove it"
    daemon.start()
    view = daemon.outcome(job_id)
    assert (view["status"], view["attempts"]) == ("completed", 1)
    assert noted_runs(daemon.base, job_id) == 1
    assert clips.probe(target).duration == pytest.approx(2, abs=0.2)


def test_a_child_that_fails_while_no_daemon_is_there_has_failed_its_job(daemon: Daemon) -> None:
    job_id = daemon.submit(tempered(quick(daemon.out / "fails.mp4"), "doomed"))["id"]
    child = daemon.child(job_id)
    daemon.kill9()
    (daemon.base / "fail-now").touch()
    eventually(lambda: not child.members(), "the child has ended")
    daemon.start()
    view = daemon.outcome(job_id)
    assert (view["status"], view["attempts"]) == ("failed", 1)
    assert "this is the reason" in view["error"]["message"]


def test_a_child_that_was_killed_while_no_daemon_was_there_is_rendered_again(daemon: Daemon, clips: Clips) -> None:
    target = daemon.out / "again.mp4"
    job_id = daemon.rendering(tempered(lasting(target, 2), "noting"))
    child = daemon.child(job_id)
    daemon.kill9()
    kill_child(child)
    daemon.start()
    view = daemon.outcome(job_id)
    assert view["status"] == "completed"
    assert daemon.event(job_id, "requeued")["data"]["why"] == "recovery"
    assert noted_runs(daemon.base, job_id) == 2
    assert clips.probe(target).duration == pytest.approx(2, abs=0.2)


def test_every_job_of_a_full_house_is_adopted(daemon: Daemon) -> None:
    with ExitStack() as stack:
        jobs = [stack.enter_context(fed(daemon, f"house-{number}")) for number in range(4)]
        waiting = daemon.submit(quick(daemon.out / "waiting.mp4"))["id"]
        pids = [daemon.child(job_id).ffmpeg.pid for job_id in jobs]
        daemon.restart()
        assert [daemon.child(job_id).ffmpeg.pid for job_id in jobs] == pids
        assert daemon.view(waiting)["status"] == "queued"
    assert {daemon.outcome(job_id)["status"] for job_id in [*jobs, waiting]} == {"completed"}
    assert {daemon.view(job_id)["attempts"] for job_id in jobs} == {1}


def test_a_daemon_that_dies_again_and_again_costs_no_encoding(daemon: Daemon) -> None:
    job_id = daemon.rendering(tempered(lasting(daemon.out / "often.mp4", 3), "noting"))
    for _ in range(3):
        daemon.restart()
    assert daemon.outcome(job_id)["status"] == "completed"
    assert noted_runs(daemon.base, job_id) == 1


def test_a_job_is_whole_whenever_the_daemon_dies_in_its_short_life(daemon: Daemon, clips: Clips) -> None:
    for number in range(4):
        target = daemon.out / f"any-{number}.mp4"
        job_id = daemon.submit(quick(target))["id"]
        for kind in ("started", "output_started", "output_completed")[:number]:
            daemon.event(job_id, kind)
        daemon.restart()
        view = daemon.outcome(job_id)
        assert view["status"] == "completed", view["error"]
        assert clips.probe(target).duration == pytest.approx(0.5, abs=0.1)
        assert daemon.kinds(job_id).count("completed") == 1
        assert daemon.kinds(job_id).count("output_completed") == 1


def test_the_seq_goes_on_without_a_gap_over_a_death(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "seq.mp4", 2))
    daemon.restart()
    daemon.outcome(job_id)
    seqs = [event["seq"] for event in daemon.events()]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_partial_file_that_nobody_owns_is_swept(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "swept.mp4", 600))
    child = daemon.child(job_id)
    daemon.result("drain")
    eventually(lambda: list(daemon.out.glob(".rushes-*")), "a partial file")
    daemon.kill9()
    kill_child(child)
    daemon.start()
    daemon.event(job_id, "requeued")
    assert not list(daemon.out.glob(".rushes-*"))


def test_a_process_with_the_pid_of_a_child_that_is_another_is_left_alone(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "other.mp4", 2))
    child = daemon.child(job_id)
    daemon.kill9()
    kill_child(child)
    (record,) = (daemon.data / "work" / job_id).glob("*/record")
    whole = record.read_text()
    note = child_note(record)
    assert note is not None
    record.write_text(whole.replace(f'"pid":{note["pid"]}', f'"pid":{os.getpid()}'))
    assert child_note(record) == {**note, "pid": os.getpid()}
    daemon.start()
    assert daemon.outcome(job_id)["status"] == "completed"
    assert daemon.event(job_id, "requeued")["data"]["why"] == "recovery"


def test_the_store_is_sound_after_many_deaths(daemon: Daemon) -> None:
    for number in range(2):
        for part in range(5):
            daemon.wire.send("submit", job=quick(daemon.out / f"{number}-{part}.mp4"))
        daemon.restart()
    daemon.terminate()
    store = find_store(daemon.data)
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    daemon.start()


def find_store(folder: Path) -> Path:
    """The one SQLite file in the data folder."""
    (found,) = [path for path in folder.iterdir() if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"]
    return found
