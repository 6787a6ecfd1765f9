"""The daemon dies at a named step of its own ordered stop: what it began to stop is queued again, as after any stop."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aftermath import End, assert_recovered, die_of, held, let_go, make_noting, slow_at_first
from tests.support.doomed_daemon import COMMIT, DoomedDaemon, Point, dooming, told


@pytest.fixture(scope="module")
def shared(temperamental: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoomedDaemon]:
    with dooming(slots=2, ffmpeg=make_noting(tmp_path_factory.mktemp("noting"), temperamental)) as daemon:
        yield daemon


RUN, QUEUE, TURN = "actors.ffmpeg.run:Run", "actors.job_queue:Queue", "actors.jobs.turn:Turn"
RENDER, CHANGES, FLUSH = "actors.render:Render", "actors.jobs.changes", "bus.outbox:Outbox.flush"
BEGIN = "actors.jobs.shutdown:begin"

STOP = [
    Point(f"before {BEGIN}", "the command has come"),
    Point(f"before {COMMIT} since {BEGIN} late", "the stop is not on disk; nobody was told"),
    Point(f"before {QUEUE}._say since {BEGIN}", "the stop is on disk, and StopRender is not sent"),
    Point(f"after {FLUSH} since {BEGIN}", "reply and StopRender are sent"),
    Point("before actors.ffmpeg.child:Child.ask", "nothing is written to the child"),
    Point("after actors.ffmpeg.child:Child.ask", "`q` is written, and nobody is told"),
    Point(f"before {RUN}.verdict", "FFmpeg has obeyed, and is not judged"),
    Point(f"after {RUN}.clean_up", "its partial and its FIFO are gone, and nobody is told"),
    Point(f"after {TURN}.write since {CHANGES}:requeue", "the job's place in the queue is not on disk"),
    Point(f"before {QUEUE}._say since {CHANGES}:requeue", "it is; the daemon's end is not begun"),
    Point("before bus.hub:Hub.stop", "every actor has ended"),
]

LEAVE = [
    Point(f"after {TURN}.write since {BEGIN}", "the stop is written, and not on disk"),
    Point(f"before {QUEUE}._say since {BEGIN}", "the stop is on disk, and not said"),
    Point(f"before {RENDER}.end", "the Render is to let go of its child"),
    Point("before bus.hub:Hub.stop", "every actor has ended"),
]


def stop_into(daemon: DoomedDaemon, at: str, mode: str) -> None:
    """Stop the daemon over a death: sent again, the command stops the next daemon only if the first had lost it."""
    sent = die_of(daemon, at, "shutdown", mode=mode)
    stops = [event["command_id"] for event in daemon.events() if event["type"] == "daemon.stopping"]
    assert sent.again(daemon) == {"mode": mode}
    if sent.fields["id"] not in stops:
        assert sent.early is None, "what was acknowledged is durable"
        assert daemon.ended() == 0
        daemon.start()


@pytest.mark.parametrize("point", STOP, ids=told(STOP))
def test_stop(daemon: DoomedDaemon, point: Point) -> None:
    job_id = daemon.underway(slow_at_first(daemon))
    stop_into(daemon, point.at, "stop")
    assert_recovered(daemon, job_id, End(encodes=(2,), why=("stop",)))


@pytest.mark.parametrize("point", LEAVE, ids=told(LEAVE))
def test_leave(daemon: DoomedDaemon, point: Point) -> None:
    job_id = held(daemon)
    stop_into(daemon, point.at, "leave")
    assert daemon.view(job_id)["status"] == "processing"
    let_go(daemon)
    assert_recovered(daemon, job_id, End())
