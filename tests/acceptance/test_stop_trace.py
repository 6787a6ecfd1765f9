"""Stopped means stopped, and is shown to be: how far up the ladder it took, how the child ended, what was removed."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick, transcode
from tests.support.processes import eventually
from tests.support.wire import Map

GRACE = 0.4

PATIENT = 20
"""A grace in which an FFmpeg that is asked with `q` has surely ended, however busy the machine is."""


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=4, grace=GRACE, ffmpeg=temperamental) as daemon:
        yield daemon


def cancelled(daemon: Daemon, job_id: str) -> Map:
    """Cancel a running job; the trace of its stop."""
    view = daemon.result("cancel", job_id=job_id, wait=30)["job"]
    assert view["status"] == "cancelled"
    trace: Map = daemon.event(job_id, "cancelled")["data"]["stop"]
    return trace


def stages(trace: Map) -> list[str]:
    return [rung["stage"] for rung in trace["rungs"]]


def test_the_trace_of_one_that_obeys_tells_of_its_q_and_of_its_partial_file(start: Callable[..., Daemon]) -> None:
    daemon = start(slots=1, grace=PATIENT)
    job_id = daemon.rendering(lasting(daemon.out / "obeys.mp4"))
    eventually(lambda: list(daemon.out.glob(f".rushes-{job_id}-*")), "a partial file")
    (partial,) = daemon.out.glob(f".rushes-{job_id}-*")
    trace = cancelled(daemon, job_id)
    assert (stages(trace), trace["exit_status"], trace["signal"]) == (["q"], 0, None)
    assert (trace["removed"], trace["kept"]) == ([str(partial)], [])
    assert not partial.exists()


def test_the_trace_of_one_that_obeys_nothing_has_every_rung_with_its_time(daemon: Daemon) -> None:
    job_id = daemon.underway(tempered(lasting(daemon.out / "nothing.mp4"), "stubborn"))
    trace = cancelled(daemon, job_id)
    assert stages(trace) == ["q", "SIGTERM", "SIGKILL"]
    assert trace["signal"] == "SIGKILL"
    after = [rung["after"] for rung in trace["rungs"]]
    assert after == sorted(after)
    assert (after[1] >= GRACE, after[2] >= 2 * GRACE) == (True, True)
    times = [datetime.fromisoformat(rung["at"]) for rung in trace["rungs"]]
    assert times == sorted(times)


def test_outputs_that_were_complete_are_told_of_as_kept(daemon: Daemon) -> None:
    job = quick(daemon.out / "kept.mp4", daemon.out / "not-kept.mp4")
    job["outputs"][1]["inputs"] = lasting(daemon.out)["inputs"]
    job_id = daemon.submit(job)["id"]
    eventually(lambda: daemon.kinds(job_id).count("output_started") == 2, "the second output renders")
    assert cancelled(daemon, job_id)["kept"] == [str(daemon.out / "kept.mp4")]
    assert (daemon.out / "kept.mp4").exists()


def test_a_job_that_had_no_child_has_no_trace(daemon: Daemon) -> None:
    daemon.result("drain")
    job_id = daemon.submit(quick(daemon.out / "queued.mp4"))["id"]
    daemon.result("cancel", job_id=job_id, notes="not needed")
    data = daemon.event(job_id, "cancelled")["data"]
    assert (data["stop"], data["notes"]) == (None, "not needed")


def test_a_daemon_that_dies_in_the_middle_of_a_stop_does_not_lose_the_rungs_that_were_taken(daemon: Daemon) -> None:
    job_id = daemon.underway(tempered(lasting(daemon.out / "dies.mp4"), "stubborn"))
    daemon.result("cancel", job_id=job_id)
    daemon.event(job_id, "signalled")
    daemon.restart()
    assert daemon.outcome(job_id)["status"] == "cancelled"
    found = stages(daemon.event(job_id, "cancelled")["data"]["stop"])
    assert (found[0], found[-1]) == ("q", "SIGKILL")
    assert found.count("q") == 2, "the next daemon begins at the foot of the ladder"


@pytest.mark.parametrize("temper", ["clogged", "stuck-finishing", "deaf"])
def test_one_that_hangs_somewhere_is_stopped_all_the_same(daemon: Daemon, temper: str) -> None:
    job_id = daemon.underway(tempered(lasting(daemon.out / f"{temper}.mp4"), temper))
    child = daemon.child(job_id)
    cancelled(daemon, job_id)
    assert not child.members()
    assert not list(daemon.out.glob(f".rushes-{job_id}-*"))


def test_one_that_waits_for_an_input_that_nobody_writes_is_stopped(daemon: Daemon) -> None:
    """A FIFO without a writer holds FFmpeg as a dead network mount does, before it ever looks at its stdin."""
    source = daemon.out / "nobody-writes"
    os.mkfifo(source)
    job_id = daemon.underway(transcode(source, daemon.out / "fifo.mp4"))
    child = daemon.child(job_id)
    cancelled(daemon, job_id)
    assert not child.members()


def test_a_job_that_is_stopped_for_its_timeout_tells_how(daemon: Daemon) -> None:
    view = daemon.finish(tempered(lasting(daemon.out / "late.mp4", timeout=0.5), "stubborn"))
    data = daemon.event(view["id"], "failed")["data"]
    assert stages(data["stop"]) == ["q", "SIGTERM", "SIGKILL"]
    assert data["stop"]["signal"] == "SIGKILL"


def test_finishing_a_file_is_no_stall_as_long_as_it_is_written(daemon: Daemon) -> None:
    job_id = daemon.submit(tempered(quick(daemon.out / "finishing.mp4", stall_timeout=1), "finishing"))["id"]
    eventually(lambda: daemon.view(job_id)["phase"] == "finishing", "it finishes")
    view = daemon.outcome(job_id)
    assert view["status"] == "completed", view["error"]


def test_finishing_a_file_for_ever_is_one(daemon: Daemon) -> None:
    job = tempered(quick(daemon.out / "stuck.mp4", stall_timeout=0.8), "stuck-finishing")
    view = daemon.finish(job)
    assert (view["status"], view["error"]["code"]) == ("failed", "stalled")
    assert "while FFmpeg finished it" in view["error"]["message"]
