"""The daemon dies at a named step of a delete: what was asked for goes, all of it, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aftermath import End, assert_recovered, die_of, film, half_done, make_noting, run_into
from tests.support.doomed_daemon import COMMIT, DoomedDaemon, Point, dooming, told


@pytest.fixture(scope="module")
def shared(temperamental: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoomedDaemon]:
    ffmpeg = make_noting(tmp_path_factory.mktemp("noting"), temperamental)
    with dooming(slots=2, grace=0.3, ffmpeg=ffmpeg) as daemon:
        yield daemon


QUEUE, TURN, FLUSH = "actors.job_queue:Queue", "actors.jobs.turn:Turn", "bus.outbox:Outbox.flush"
JANITOR, SAME = "actors.janitor:Janitor", "actors.janitor:remove_if_same"
BEGIN, REMOVED = "actors.jobs.changes:begin_removal", "actors.jobs.outcomes:removed"

NO_WISH = [
    Point(f"before {BEGIN}", "the command has come, and the wish is written"),
    Point(f"before {COMMIT} since {BEGIN} late", "so is the command, and nothing is on disk; nobody was told"),
]

WISH = [
    Point(f"before {QUEUE}._say since {BEGIN}", "the wish is on disk, and RemoveFiles is not sent"),
    Point(f"before {FLUSH} since {BEGIN}", "the same, and it is collected"),
    Point(f"after {FLUSH} since {BEGIN}", "RemoveFiles is sent"),
]

FILES = [
    Point(f"before {JANITOR}._remove", "RemoveFiles has come"),
    Point(f"before pathlib:Path.unlink since {SAME}", "the first file is seen to be the job's own"),
    Point(f"after {SAME}", "the first file is gone"),
    Point(f"before pathlib:Path.unlink#2 since {SAME}", "the second is seen to be the job's own"),
    Point(f"after {SAME}#2", "both are gone"),
    Point(f"before {JANITOR}._remove_folder", "the work folder is there"),
    Point("before os:rmdir since shutil:rmtree", "it is half gone"),
    Point("after shutil:rmtree", "it is gone, and nobody is told"),
    Point(f"before {FLUSH} since {JANITOR}._remove", "FilesRemoved is not sent"),
]

COMMITTED = [
    Point(f"before {REMOVED}", "FilesRemoved has come"),
    Point(f"after {TURN}.write since {REMOVED}", "the job is taken out, and that is not on disk"),
    Point(f"before {QUEUE}._say since {REMOVED}", "it is on disk, and not said"),
    Point(f"before {FLUSH} since {REMOVED}", "the reply is not sent"),
]

FORCED = [
    Point(f"before {QUEUE}._say since actors.jobs.changes:_cancel", "both wishes are on disk; the child runs"),
    Point(f"after {TURN}.write since {BEGIN}", "its end by the cancel is written, and not on disk"),
    Point(f"before {QUEUE}._say since {BEGIN}", "it is on disk, and RemoveFiles is not sent"),
    Point(f"after {SAME}", "its first output is gone"),
]


def assert_deleted(daemon: DoomedDaemon, job_id: str, at: str) -> None:
    """Delete a job of two outputs over a death: each is removed, before it or after, and told of."""
    paths = {output["path"] for output in daemon.view(job_id)["outputs"]}
    result = run_into(daemon, at, "delete", job_id=job_id)
    assert (result["job_id"], result["status"], result["failed"]) == (job_id, "deleted", [])
    assert {*result["removed"], *result["missing"]} == paths
    assert_recovered(daemon, job_id, End(("completed", "deleted"), encodes=(1, 1)))


@pytest.mark.parametrize("point", NO_WISH, ids=told(NO_WISH))
def test_no_wish(daemon: DoomedDaemon, point: Point) -> None:
    """What is not on disk has not happened."""
    job_id = daemon.finish(film(daemon, 2))["id"]
    sent = die_of(daemon, point.at, "delete", job_id=job_id)
    assert_recovered(daemon, job_id, End(encodes=(1, 1)))
    assert sent.again(daemon)["missing"] == []
    assert_recovered(daemon, job_id, End(("completed", "deleted"), encodes=(1, 1)))


@pytest.mark.parametrize("point", WISH, ids=told(WISH))
def test_wish(daemon: DoomedDaemon, point: Point) -> None:
    assert_deleted(daemon, daemon.finish(film(daemon, 2))["id"], point.at)


@pytest.mark.parametrize("point", FILES, ids=told(FILES))
def test_files(daemon: DoomedDaemon, point: Point) -> None:
    assert_deleted(daemon, daemon.finish(film(daemon, 2))["id"], point.at)


@pytest.mark.parametrize("point", COMMITTED, ids=told(COMMITTED))
def test_commit(daemon: DoomedDaemon, point: Point) -> None:
    assert_deleted(daemon, daemon.finish(film(daemon, 2))["id"], point.at)


@pytest.mark.parametrize("point", FORCED, ids=told(FORCED))
def test_forced(daemon: DoomedDaemon, point: Point) -> None:
    job_id = half_done(daemon)
    result = run_into(daemon, point.at, "delete", job_id=job_id, force=True)
    assert result["status"] == "deleted"
    assert_recovered(daemon, job_id, End(("cancelled", "deleted"), encodes=(1, 1)))
