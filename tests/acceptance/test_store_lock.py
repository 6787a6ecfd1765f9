"""Promise: somebody else's lock on the store refuses what would change it, and holds up nothing else."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.daemon import refused_start
from tests.support.faults import Tried, tried
from tests.support.jobs import lasting, quick
from tests.support.media import Clips
from tests.support.processes import eventually
from tests.support.sqlite_files import locked
from tests.support.wire import Map, new_id

ANSWER_SECONDS = 1.0
"""What is only read is answered within this, whatever becomes of the rest."""

GRACE = 0.2
STOP_SECONDS = 3 * GRACE + 2.0
"""An ordered stop is over within this, with what it takes the process to go."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Tried]:
    with tried(slots=1, grace=GRACE, expects={"store_unavailable"}) as found:
        yield found


@pytest.fixture
def daemon(shared: Tried) -> Iterator[Tried]:
    yield shared
    shared.reset()


def quickly(ask: Callable[[], Map]) -> Map:
    began = time.monotonic()
    reply = ask()
    assert time.monotonic() - began < ANSWER_SECONDS
    return reply


def test_a_foreign_lock_refuses_changes_and_holds_up_nothing_else(daemon: Tried, clips: Clips) -> None:
    running = daemon.rendering(lasting(daemon.out / "running.mp4", 2.2))
    child = daemon.child(running)
    waiting = daemon.submit(quick(daemon.out / "waiting.mp4"))["id"]
    with locked(daemon.store), daemon.listener() as listener:
        again, spec = new_id(), quick(daemon.out / "again.mp4")
        commands: list[tuple[str, Map]] = [
            ("submit", {"id": again, "job": spec}),
            ("cancel", {"job_id": waiting}),
            ("boost", {"job_id": waiting, "by": 1}),
        ]
        for kind, fields in commands:
            assert daemon.code(kind, **fields) == "unavailable"
            assert quickly(lambda: daemon.result("status"))["queued"] == 1
            assert quickly(lambda: daemon.view(running))["status"] == "processing"
        # What is under way ends, and it is not told of before it is on disk.
        eventually(lambda: not child.members(), "the child has ended")
        listener.forget()
        listener.await_heartbeat()
        assert quickly(lambda: daemon.view(running))["status"] == "processing"
        assert not [event for event in listener.events() if event["type"] == "job.completed"]
    taken = daemon.submit(spec, id=again)["id"]
    view = daemon.outcome(running)
    assert (view["status"], view["attempts"]) == ("completed", 1)
    assert clips.probe(daemon.out / "running.mp4").duration == pytest.approx(2.2, abs=0.2)
    assert [daemon.outcome(job_id)["status"] for job_id in (waiting, taken)] == ["completed"] * 2
    assert daemon.view(waiting)["priority"] == 0, "an unavailable boost has changed nothing"
    assert daemon.has_gapless_seq()


def test_a_daemon_is_stopped_in_time_while_its_store_is_locked_and_leaves_its_child(daemon: Tried) -> None:
    running = daemon.rendering(lasting(daemon.out / "left.mp4"))
    child = daemon.child(running)
    with locked(daemon.store):
        began = time.monotonic()
        assert daemon.terminate() == 0
        assert time.monotonic() - began < STOP_SECONDS
        settings = ("--data", str(daemon.data), "--bus", daemon.bus, "--log-format", "console")
        status, lines = refused_start(*settings)
        assert status == 1
        assert [line for line in lines if str(daemon.store) in line and "locked" in line]
    daemon.start()
    assert daemon.child(running).ffmpeg.pid == child.ffmpeg.pid
    assert daemon.view(running)["status"] == "processing"
    assert daemon.result("cancel", job_id=running, wait=30)["job"]["status"] == "cancelled"
    assert not child.members()
    assert daemon.has_gapless_seq()
