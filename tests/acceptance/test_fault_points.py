"""The daemon dies at a named step of a submit, of a start, and of its own start; and the points can be trusted."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import doomed_daemon
from tests.support.aftermath import End, assert_recovered, film, held, let_go, make_noting, run_into
from tests.support.daemon import refused_start
from tests.support.doomed_daemon import COMMIT, DOOMED, DoomedDaemon, Point, dooming, told
from tests.support.wire import PATIENCE


@pytest.fixture(scope="module")
def shared(temperamental: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoomedDaemon]:
    with dooming(slots=2, ffmpeg=make_noting(tmp_path_factory.mktemp("noting"), temperamental)) as daemon:
        yield daemon


SUBMIT = [
    Point("before actors.admission:Admission._look", "the command has come, and nobody has looked at its paths"),
    Point("before bus.hub:Hub.hand_over", "they are found good, and the Queue does not know of it"),
    Point("before actors.job_queue:Queue._handle(Submit)", "the Queue has it, and nothing was done"),
    Point("before actors.jobs.store:Store.add", "it is found good, and nothing is written"),
    Point("after actors.jobs.store:Store.add", "the job stands in a transaction that is not on disk"),
    Point(f"before {COMMIT} since actors.jobs.store:Store.add late", "so do event and reply, and nobody was told"),
    Point("before actors.job_queue:Queue._say since actors.jobs.store:Store.add", "all is on disk, nothing is said"),
    Point("before bus.outbox:Outbox.flush since actors.jobs.store:Store.add", "the reply is not yet sent"),
    Point(
        "after bus.outbox:Outbox.flush since actors.jobs.store:Store.add",
        "the hub has it, and may send it; no Render is ordered",
    ),
]

START = [
    Point("before actors.render:Render._start", "the job is processing, and its Render begins"),
    Point("before actors.ffmpeg.workspace:Workspace.prepare", "there is room, and no work folder"),
    Point("before pathlib:Path.write_bytes since actors.ffmpeg.workspace:Workspace.prepare", "a folder, empty"),
    Point("before os:mkfifo", "the partial's name, and room for who runs and how it ended; no FIFO"),
    Point("after actors.ffmpeg.workspace:Workspace.prepare", "all that a child needs"),
    Point("before os:posix_spawn", "the lock is held, by the daemon alone"),
    Point("after os:posix_spawn", "the shim lives, and nobody has noted its pid"),
    Point("before os:pwrite since os:posix_spawn", "the same, and its record is open"),
    Point("before actors.watcher:Watcher.watch", "the child runs, and nobody would hear of its end"),
    Point("before actors.reports:Reports.started", "it is watched, and nothing is told"),
    Point("before bus.outbox:Outbox.flush since actors.reports:Reports.started", "OutputStarted is not sent"),
    Point("before actors.jobs.outcomes:output_started", "OutputStarted has come, and nothing is written"),
    Point("after actors.jobs.turn:Turn.write since actors.jobs.outcomes:output_started", "written, not on disk"),
    Point("before actors.job_queue:Queue._say since actors.jobs.outcomes:output_started", "on disk, and not said"),
]

PROGRESS = [
    Point("before actors.reports:Reports.progress", "FFmpeg's report is read"),
    Point("before actors.jobs.outcomes:progressed", "the Queue has it"),
    Point("before actors.job_queue:Queue._say since actors.jobs.outcomes:progressed", "it is not published"),
]

AGAIN = [
    Point("before actors.jobs.outcomes:recover", "the store is open"),
    Point("after actors.jobs.turn:Turn.write since actors.jobs.outcomes:recover", "daemon.started is not on disk"),
    Point("before actors.job_queue:Queue._say since actors.jobs.outcomes:recover", "on disk; no Render is ordered"),
    Point("before actors.ffmpeg.child:Child.adopt", "a Render looks for the child"),
    Point("before actors.watcher:Watcher.watch", "it has the child, and does not hear of its end"),
    Point("before actors.janitor:Janitor._tick", "the work folders were looked through"),
]


@pytest.mark.parametrize("point", SUBMIT, ids=told(SUBMIT))
def test_submit(daemon: DoomedDaemon, point: Point) -> None:
    job = run_into(daemon, point.at, "submit", job=film(daemon))["job"]
    assert_recovered(daemon, job["id"], End())
    same = [one["id"] for one in daemon.result("list", limit=1000)["jobs"] if one["name"] == job["name"]]
    assert same == [job["id"]], "the command has been carried out once"


@pytest.mark.parametrize("point", START, ids=told(START))
def test_start(daemon: DoomedDaemon, point: Point) -> None:
    job = run_into(daemon, point.at, "submit", job=film(daemon), wait=PATIENCE)["job"]
    assert_recovered(daemon, job["id"], End())


@pytest.mark.parametrize("point", PROGRESS, ids=told(PROGRESS))
def test_progress(daemon: DoomedDaemon, point: Point) -> None:
    job = run_into(daemon, point.at, "submit", job=film(daemon, pace=True), wait=PATIENCE)["job"]
    assert_recovered(daemon, job["id"], End())


@pytest.mark.parametrize("point", AGAIN, ids=told(AGAIN))
def test_a_death_while_the_last_one_is_recovered_from(daemon: DoomedDaemon, point: Point) -> None:
    job_id = held(daemon)
    daemon.kill9()
    daemon.launch(point.at)
    daemon.fall(point.at)
    daemon.start()
    let_go(daemon)
    assert_recovered(daemon, job_id, End())


# ---------------------------------------------------------------- the points themselves


@pytest.mark.parametrize(
    "at", ["before actors.jobs.store:Store.nothing", "before actors.nowhere:it", "about actors.jobs.store:Store.add"]
)
def test_a_point_that_does_not_exist_is_an_error(daemon: DoomedDaemon, at: str) -> None:
    status, said = refused_start(program=(*DOOMED, at, "--"))
    assert (status, len(said)) == (2, 1)
    assert said[0].startswith("no such point")
    with pytest.raises(AssertionError, match="not_doomed"):
        daemon.doom(at)


def test_a_point_that_is_never_reached_is_an_error(daemon: DoomedDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doomed_daemon, "FALL_SECONDS", 0.2)
    at = "before actors.jobs.changes:_place"
    with pytest.raises(AssertionError, match="the daemon comes to the point"):
        run_into(daemon, at, "submit", job=film(daemon))
    daemon.restart()


def test_another_death_than_the_points_is_an_error(daemon: DoomedDaemon) -> None:
    at = "before actors.jobs.changes:_place"
    daemon.doom(at)
    daemon.signal(signal.SIGKILL)
    with pytest.raises(AssertionError, match="died of something else"):
        daemon.fall(at)
    daemon.start()
