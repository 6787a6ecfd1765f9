"""The daemon dies at a named step between FFmpeg's end and the commit of the output that it made.

What was encoded is never encoded again, and stands under its name once it is told of, and whole.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aftermath import SECONDS, End, assert_recovered, film, make_noting, run_into
from tests.support.doomed_daemon import COMMIT, DoomedDaemon, Point, dooming, told
from tests.support.wire import PATIENCE, Map


@pytest.fixture(scope="module")
def shared(temperamental: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoomedDaemon]:
    with dooming(slots=2, ffmpeg=make_noting(tmp_path_factory.mktemp("noting"), temperamental)) as daemon:
        yield daemon


RUN, FILE, QUEUE = "actors.ffmpeg.run:Run", "actors.ffmpeg.output_file:OutputFile", "actors.job_queue:Queue"
WORK, TURN = "actors.ffmpeg.workspace:Workspace", "actors.jobs.turn:Turn"
FLUSH, TOLD = "bus.outbox:Outbox.flush", "actors.reports:Reports.completed"
DONE, COMPLETE = "actors.jobs.outcomes:output_completed", "actors.jobs.outcomes:complete"

PROOF = [
    Point("before actors.ffmpeg.child:Child.reap", "FFmpeg has ended; the shim is a zombie"),
    Point("after actors.ffmpeg.child:Child.reap", "the shim is reaped"),
    Point(f"before {RUN}.verdict", "nobody of the run is left; its exit status is not judged"),
    Point(f"before {RUN}.start_probe", "it was done, by its own words"),
    Point(f"after {RUN}.start_probe", "the probe runs, in a session of its own"),
    Point(f"before {RUN}.end_probe", "the probe has ended"),
    Point(f"before {RUN}.prove", "the probe is reaped; what it found is not looked at"),
    Point(f"before os:fsync since {RUN}.prove", "the output is found good, and is not on disk"),
    Point(f"before {WORK}.note since {RUN}.prove", "the output is on disk, its proof is nowhere"),
    Point(f"before os:pwrite since {RUN}.prove", "its record is open"),
    Point(f"before os:fdatasync since {RUN}.prove", "the proof is noted, and not on disk"),
    Point(f"after {WORK}.note since {RUN}.prove", "it is on disk"),
]

PUBLISH = [
    Point(f"before {RUN}.publish", "the output is proved, and only a partial file"),
    Point("before pathlib:Path.hardlink_to", "its name was free"),
    Point("after pathlib:Path.hardlink_to", "it has both names"),
    Point(f"before {FILE}.discard since {FILE}.publish", "the same, and the partial is to go"),
    Point(f"after {FILE}.discard since {FILE}.publish", "it has its own name alone; the folder is not on disk"),
    Point(f"before os:fsync since {FILE}._sync_folder", "the folder is open"),
    Point(f"after {FILE}._sync_folder", "the folder is on disk"),
    Point(f"after {RUN}.publish", "it is in place, and the FIFO is still there"),
    Point(f"after {WORK}.remove_fifo", "the FIFO is gone"),
    Point(f"before {TOLD}", "nobody is told"),
    Point(f"before actors.render:Render._next since {TOLD}", "OutputCompleted is collected; between two outputs"),
    Point(f"after os:posix_spawn since {TOLD}", "it is not sent, and the second output's child runs"),
    Point(f"before {FLUSH} since {TOLD}", "neither OutputCompleted nor the next OutputStarted is sent"),
    Point(f"after {FLUSH} since {TOLD}", "both are"),
]

COMMITTED = [
    Point(f"before {DONE}", "OutputCompleted has come, and nothing is written"),
    Point(f"after {TURN}.write since {DONE}", "it is written, and not on disk"),
    Point(f"before {QUEUE}._say since {DONE}", "it is on disk, and not said"),
    Point(f"before {RUN}.prove#2", "the first output is complete, the second made"),
    Point("after pathlib:Path.hardlink_to#2", "the last output has both names"),
    Point(f"before {FLUSH} since {COMPLETE}", "the job is complete, and nobody hears of it yet"),
    Point(f"before {COMPLETE}", "the last OutputCompleted has come"),
    Point(f"before {COMMIT} since {COMPLETE} late", "the job's end and the reply are not on disk; nobody was told"),
    Point(f"before {QUEUE}._say since {COMPLETE}", "they are on disk, and not said"),
    Point(f"after {FLUSH} since {COMPLETE}", "the hub has the reply, and may send it"),
]

REPLACE = [
    Point("before pathlib:Path.replace", "the earlier file stands there"),
    Point("after pathlib:Path.replace", "the output stands in its place; the folder is not on disk"),
    Point(f"before {TOLD}", "nobody is told"),
]


def assert_made(daemon: DoomedDaemon, job: Map) -> None:
    """Each output has been made, once, and is as long as it should be."""
    outputs = job["outputs"]
    assert_recovered(daemon, job["id"], End(encodes=(1,) * len(outputs)))
    assert [output["duration"] for output in outputs] == [pytest.approx(SECONDS, abs=0.1)] * len(outputs)


@pytest.mark.parametrize("point", PROOF, ids=told(PROOF))
def test_proof(daemon: DoomedDaemon, point: Point) -> None:
    assert_made(daemon, run_into(daemon, point.at, "submit", job=film(daemon), wait=PATIENCE)["job"])


@pytest.mark.parametrize("point", PUBLISH, ids=told(PUBLISH))
def test_publish(daemon: DoomedDaemon, point: Point) -> None:
    assert_made(daemon, run_into(daemon, point.at, "submit", job=film(daemon, 2), wait=PATIENCE)["job"])


@pytest.mark.parametrize("point", COMMITTED, ids=told(COMMITTED))
def test_commit(daemon: DoomedDaemon, point: Point) -> None:
    assert_made(daemon, run_into(daemon, point.at, "submit", job=film(daemon, 2), wait=PATIENCE)["job"])


@pytest.mark.parametrize("point", REPLACE, ids=told(REPLACE))
def test_replace(daemon: DoomedDaemon, point: Point) -> None:
    job = film(daemon, overwrite=True)
    for output in job["outputs"]:
        Path(output["path"]).write_bytes(b"an earlier cut")
    assert_made(daemon, run_into(daemon, point.at, "submit", job=job, wait=PATIENCE)["job"])
