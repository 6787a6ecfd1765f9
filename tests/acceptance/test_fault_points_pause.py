"""The daemon dies at a named step of a pause: what was said of it is so, and no encoding time is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aftermath import End, assert_recovered, film, make_noting, run_into
from tests.support.doomed_daemon import COMMIT, DoomedDaemon, Point, dooming, told
from tests.support.processes import eventually


@pytest.fixture(scope="module")
def shared(temperamental: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoomedDaemon]:
    ffmpeg = make_noting(tmp_path_factory.mktemp("noting"), temperamental)
    with dooming(slots=1, grace=0.2, ffmpeg=ffmpeg) as daemon:
        yield daemon


QUEUE, FLUSH, BRAKE = "actors.job_queue:Queue", "bus.outbox:Outbox.flush", "actors.ffmpeg.brake:Brake"
PAUSE, TAKEN, GO_ON = "actors.jobs.desk:carry_out", "actors.jobs.pauses:taken", "actors.jobs.pauses:_go_on"

PAUSES = [
    Point(f"before {PAUSE}", "the command has come"),
    Point(f"before {COMMIT} since {PAUSE}", "the wish is written, and not on disk"),
    Point(f"before {QUEUE}._say since {PAUSE}", "the wish is on disk, and PauseRender is not sent"),
    Point(f"before {BRAKE}.apply", "PauseRender has come"),
    Point(f"before signal:pidfd_send_signal since {BRAKE}.apply", "all of the group stand still, the shim too"),
    Point(f"after {BRAKE}.apply", "FFmpeg stands still, and nobody is told"),
    Point(f"before {TAKEN}", "the Queue hears of it"),
    Point(f"before {QUEUE}._say since {TAKEN}", "job.paused is on disk, and not said"),
]

UNPAUSES = [
    Point(f"before {COMMIT} since {GO_ON}", "the wish is written, and not on disk"),
    Point(f"before {QUEUE}._say since {GO_ON}", "job.unpaused is on disk, and PauseRender is not sent"),
    Point(f"before {BRAKE}.release", "PauseRender has come"),
    Point(f"before {BRAKE}._note since {BRAKE}.release", "FFmpeg goes on, and it is noted that it stands still"),
    Point(f"after {BRAKE}.release", "FFmpeg goes on"),
]


def rendering(daemon: DoomedDaemon) -> str:
    return daemon.rendering(film(daemon, seconds=3, pace=True))


def pid(daemon: DoomedDaemon, job_id: str) -> int:
    return daemon.child(job_id).ffmpeg.pid


def stands_still(daemon: DoomedDaemon, job_id: str) -> bool:
    return daemon.child(job_id).ffmpeg.state == "T"


@pytest.mark.parametrize("point", PAUSES, ids=told(PAUSES))
def test_pause(daemon: DoomedDaemon, point: Point) -> None:
    job_id = rendering(daemon)
    before = pid(daemon, job_id)
    run_into(daemon, point.at, "pause", job_id=job_id)
    eventually(lambda: daemon.view(job_id)["phase"] == "paused", "the job is paused")
    eventually(lambda: stands_still(daemon, job_id), "its child stands still")
    assert pid(daemon, job_id) == before
    assert [event["type"] for event in daemon.events(job_id)].count("job.paused") == 1
    daemon.result("unpause", job_id=job_id)
    assert daemon.outcome(job_id)["attempts"] == 1
    assert_recovered(daemon, job_id, End(("completed",), encodes=(1,)))


@pytest.mark.parametrize("point", UNPAUSES, ids=told(UNPAUSES))
def test_unpause(daemon: DoomedDaemon, point: Point) -> None:
    job_id = rendering(daemon)
    before = pid(daemon, job_id)
    daemon.result("pause", job_id=job_id)
    daemon.event(job_id, "paused")
    run_into(daemon, point.at, "unpause", job_id=job_id)
    assert daemon.view(job_id)["paused"] is None
    assert pid(daemon, job_id) == before
    assert daemon.outcome(job_id)["attempts"] == 1
    assert_recovered(daemon, job_id, End(("completed",), encodes=(1,)))
