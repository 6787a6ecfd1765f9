"""The daemon dies at a named step of what renders a job once more: a retry, or another attempt."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aftermath import End, assert_recovered, film, make_noting, run_into
from tests.support.doomed_daemon import COMMIT, DoomedDaemon, Point, dooming, told
from tests.support.fakes import tempered
from tests.support.wire import PATIENCE, Map

DELAY = {"RUSHES_RETRY_DELAY": "0.1"}


@pytest.fixture(scope="module")
def shared(temperamental: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoomedDaemon]:
    ffmpeg = make_noting(tmp_path_factory.mktemp("noting"), temperamental)
    with dooming(slots=2, ffmpeg=ffmpeg, env=DELAY) as daemon:
        yield daemon


RUN, QUEUE, TURN = "actors.ffmpeg.run:Run", "actors.job_queue:Queue", "actors.jobs.turn:Turn"
FLUSH, WAITS = "bus.outbox:Outbox.flush", "actors.jobs.waits"
CHANGES, OUTCOMES = "actors.jobs.changes", "actors.jobs.outcomes"

RETRY = [
    Point(f"before {CHANGES}:requeue", "the command has come, and nothing is written"),
    Point(f"before {COMMIT} since {CHANGES}:requeue late", "all is written, and not on disk; nobody was told"),
    Point(f"before {QUEUE}._say since {CHANGES}:requeue", "the job is processing again; no Render is ordered"),
    Point(f"before {FLUSH} since {CHANGES}:requeue", "the same, and the reply is not sent"),
    Point(f"after {FLUSH} since {CHANGES}:requeue", "a Render is ordered"),
]

ATTEMPT = [
    Point(f"before {RUN}.explain", "FFmpeg has failed; nobody has asked why"),
    Point(f"after {RUN}.clean_up", "its partial and its FIFO are gone"),
    Point(f"before {OUTCOMES}:_failed", "RenderEnded has come"),
    Point(f"after {TURN}.write since {WAITS}:after_failure", "the wait is written, and not on disk"),
    Point(f"before {QUEUE}._say since {WAITS}:after_failure", "the wait is on disk, and no timer runs"),
    Point(f"before {WAITS}:over", "the wait is over"),
    Point(f"after {TURN}.write since {WAITS}:over", "the second start is written, and not on disk"),
    Point(f"before {QUEUE}._say since {WAITS}:over", "it is on disk; no Render is ordered"),
    Point("after os:posix_spawn#3", "the second attempt's child runs"),
]


def flaky(daemon: DoomedDaemon, max_attempts: int = 1) -> Map:
    """A job whose second output fails the first time, for a cause that may pass."""
    job = tempered(film(daemon, 2, max_attempts=max_attempts), "flaky")
    job["outputs"][0]["args"] = job["outputs"][0]["args"][:2]
    return job


@pytest.mark.parametrize("point", RETRY, ids=told(RETRY))
def test_retry(daemon: DoomedDaemon, point: Point) -> None:
    failed = daemon.finish(flaky(daemon))["id"]
    job = run_into(daemon, point.at, "retry", job_id=failed, wait=PATIENCE)["job"]
    end = End(("failed", "completed"), attempts=2, encodes=(1, 2), why=("retry",))
    assert_recovered(daemon, job["id"], end)


@pytest.mark.parametrize("point", ATTEMPT, ids=told(ATTEMPT))
def test_another_attempt(daemon: DoomedDaemon, point: Point) -> None:
    job = run_into(daemon, point.at, "submit", job=flaky(daemon, max_attempts=2), wait=PATIENCE)["job"]
    assert_recovered(daemon, job["id"], End(attempts=2, encodes=(1, 2), why=("attempt",)))
