"""The daemon dies at a named step of a cancel: the wish holds from its commit on, and stopped means stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aftermath import End, assert_recovered, die_of, film, half_done, make_noting, run_into
from tests.support.doomed_daemon import COMMIT, DoomedDaemon, Point, dooming, told
from tests.support.fakes import tempered
from tests.support.wire import PATIENCE, Map


@pytest.fixture(scope="module")
def shared(temperamental: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoomedDaemon]:
    ffmpeg = make_noting(tmp_path_factory.mktemp("noting"), temperamental)
    with dooming(slots=2, grace=0.2, ffmpeg=ffmpeg) as daemon:
        yield daemon


RUN, QUEUE, TURN = "actors.ffmpeg.run:Run", "actors.job_queue:Queue", "actors.jobs.turn:Turn"
CHILD, STOPPER, FLUSH = "actors.ffmpeg.child:Child", "actors.ffmpeg.stopper:Stopper", "bus.outbox:Outbox.flush"
WISH, END, ENDED = "actors.jobs.changes:_cancel", "actors.jobs.changes:end_cancelled", "actors.reports:Reports.ended"
RUNG = "actors.jobs.outcomes:signalled"

NO_WISH = [
    Point(f"before {WISH}", "the command has come"),
    Point(f"before {COMMIT} since {WISH} late", "the wish is written, and not on disk; nobody was told"),
]

ASK = [
    Point(f"before {QUEUE}._say since {WISH}", "the wish is on disk, and StopRender is not sent"),
    Point(f"after {FLUSH} since {WISH}", "StopRender is sent"),
    Point("before actors.render:Render._stop_now", "StopRender has come"),
    Point(f"before {CHILD}.ask", "the ladder has begun, and nothing is written to the child"),
    Point(f"after {CHILD}.ask", "`q` is written, and nobody is told"),
    Point(f"before {RUNG}", "the Queue hears of it"),
    Point(f"before {QUEUE}._say since {RUNG}", "job.signalled is on disk, and not said"),
]

END_OF_CHILD = [
    Point(f"before {CHILD}.reap since actors.render:Render._stop_now", "FFmpeg has obeyed; the shim is a zombie"),
    Point(f"before {CHILD}.is_empty since actors.render:Render._stop_now", "it is reaped; its group may not be empty"),
    Point(f"after {CHILD}.is_empty since actors.render:Render._stop_now", "its group is seen to be empty"),
    Point(f"before {RUN}.clean_up", "it is judged, and what it left is there"),
    Point(
        f"after actors.ffmpeg.output_file:OutputFile.discard since {RUN}.clean_up",
        "the partial is gone, the FIFO is there",
    ),
    Point(f"after {RUN}.clean_up", "partial and FIFO are gone, and nobody is told"),
    Point(f"before {FLUSH} since {ENDED}", "RenderEnded is not sent"),
    Point(f"before {END}", "RenderEnded has come"),
    Point(f"after {TURN}.write since {END}", "the job's end is written, and not on disk"),
    Point(f"before {QUEUE}._say since {END}", "it is on disk, and not said"),
    Point(f"before {FLUSH} since {END}", "the reply is not sent"),
]

FORCE = [
    Point(f"before {CHILD}.signal(SIGTERM)", "it has not obeyed"),
    Point(f"after {CHILD}.signal(SIGTERM)", "it does not obey this either"),
    Point(f"before {CHILD}.signal(SIGKILL)", "the last rung is due"),
    Point("after os:killpg(SIGKILL)", "the group is killed; the Render has not seen it end"),
    Point(f"before {STOPPER}.sweep", "it is reaped, and its group not looked at"),
]


@pytest.mark.parametrize("point", NO_WISH, ids=told(NO_WISH))
def test_no_wish(daemon: DoomedDaemon, point: Point) -> None:
    """What is not on disk has not happened."""
    job_id = half_done(daemon)
    child = daemon.child(job_id)
    sent = die_of(daemon, point.at, "cancel", job_id=job_id, wait=PATIENCE)
    view = daemon.view(job_id)
    assert (view["status"], view["cancel"]) == ("processing", None)
    assert child.ffmpeg.pid in {member.pid for member in child.members()}
    assert_cancelled(daemon, sent.again(daemon)["job"])


@pytest.mark.parametrize("point", ASK, ids=told(ASK))
def test_ask(daemon: DoomedDaemon, point: Point) -> None:
    view = run_into(daemon, point.at, "cancel", job_id=half_done(daemon), wait=PATIENCE)["job"]
    assert_cancelled(daemon, view)


@pytest.mark.parametrize("point", END_OF_CHILD, ids=told(END_OF_CHILD))
def test_end_of_the_child(daemon: DoomedDaemon, point: Point) -> None:
    view = run_into(daemon, point.at, "cancel", job_id=half_done(daemon), wait=PATIENCE)["job"]
    assert_cancelled(daemon, view)


def assert_cancelled(daemon: DoomedDaemon, view: Map) -> None:
    assert_recovered(daemon, view["id"], End(("cancelled",), encodes=(1, 1)))
    assert [output["status"] for output in view["outputs"]] == ["completed", "cancelled"]
    assert view["cancel"]["reason"] == "user_request"


@pytest.mark.parametrize("point", FORCE, ids=told(FORCE))
def test_force(daemon: DoomedDaemon, point: Point) -> None:
    job_id = daemon.underway(tempered(film(daemon), "stubborn"))
    view = run_into(daemon, point.at, "cancel", job_id=job_id, wait=PATIENCE)["job"]
    assert_recovered(daemon, view["id"], End(("cancelled",)))
