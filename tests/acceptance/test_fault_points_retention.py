"""The daemon dies at a named step of an expiry or an eviction: nobody waits, and it is done all the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aftermath import End, assert_recovered, film, make_noting, run_into
from tests.support.doomed_daemon import DoomedDaemon, Point, dooming, told
from tests.support.wire import PATIENCE

MAX_BYTES = 8000
"""Of the files that finished jobs keep: an output has 2.8 kB, so one job of two outputs and not two."""


@pytest.fixture(scope="module")
def shared(temperamental: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoomedDaemon]:
    folder = tmp_path_factory.mktemp("noting")
    config = folder / "rushes.toml"
    config.write_text(f"[retention]\nmax_bytes = {MAX_BYTES}\n")
    with dooming(slots=2, ffmpeg=make_noting(folder, temperamental), config=config) as daemon:
        yield daemon


QUEUE, TURN, SAME = "actors.job_queue:Queue", "actors.jobs.turn:Turn", "actors.janitor:remove_if_same"
EXPIRE, REMOVED = "actors.jobs.retention:expire", "actors.jobs.outcomes:removed"

POINTS = [
    Point(f"before {EXPIRE}", "the job is found to be due, and nothing is written"),
    Point(f"after {TURN}.write since {EXPIRE}", "the wish is written, and not on disk"),
    Point(f"before {QUEUE}._say since {EXPIRE}", "the wish is on disk, and RemoveFiles is not sent"),
    Point(f"after {SAME}", "the first file is gone"),
    Point(f"before {REMOVED}", "all is gone, and FilesRemoved has come"),
    Point(f"before {QUEUE}._say since {REMOVED}", "that the job is gone is on disk, and not said"),
]


@pytest.mark.parametrize("point", POINTS, ids=told(POINTS))
def test_expiry(daemon: DoomedDaemon, point: Point) -> None:
    job_id = run_into(daemon, point.at, "submit", job=film(daemon, 2, ttl=0), wait=PATIENCE)["job"]["id"]
    assert_recovered(daemon, job_id, End(("completed", "expired"), encodes=(1, 1)))
    assert daemon.event(job_id, "expired")["data"]["why"] == "ttl"


@pytest.mark.parametrize("point", POINTS, ids=told(POINTS))
def test_eviction(daemon: DoomedDaemon, point: Point) -> None:
    first = daemon.finish(film(daemon, 2))["id"]
    second = run_into(daemon, point.at, "submit", job=film(daemon, 2), wait=PATIENCE)["job"]["id"]
    assert_recovered(daemon, first, End(("completed", "expired"), encodes=(1, 1)))
    assert daemon.event(first, "expired")["data"]["why"] == "max_bytes"
    assert_recovered(daemon, second, End(encodes=(1, 1)))
    daemon.result("delete", job_id=second)
