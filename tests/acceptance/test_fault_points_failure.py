"""The daemon dies at a named step between finding that a run fails and saying so: the reason stays what it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aftermath import End, assert_recovered, film, make_noting, run_into
from tests.support.doomed_daemon import DoomedDaemon, Point, dooming, told
from tests.support.fakes import tempered
from tests.support.media import Clips
from tests.support.wire import PATIENCE


@pytest.fixture(scope="module")
def shared(temperamental: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoomedDaemon]:
    ffmpeg = make_noting(tmp_path_factory.mktemp("noting"), temperamental)
    with dooming(slots=2, grace=0.2, ffmpeg=ffmpeg) as daemon:
        yield daemon


RUN, CHILD, FAILED = "actors.ffmpeg.run:Run", "actors.ffmpeg.child:Child", "actors.jobs.outcomes:_failed"

TIMEOUT = [
    Point(f"before {CHILD}.ask", "it is found to take too long, and nothing is written to the child"),
    Point(f"after {CHILD}.ask", "`q` is written, and nobody is told"),
    Point(f"before {RUN}.verdict", "FFmpeg has obeyed, and is not judged"),
    Point(f"after {RUN}.clean_up", "its partial and its FIFO are gone, and nobody is told"),
    Point(f"before {FAILED}", "RenderEnded has come"),
]


@pytest.mark.parametrize("point", TIMEOUT, ids=told(TIMEOUT))
def test_timeout(daemon: DoomedDaemon, point: Point) -> None:
    job = film(daemon, seconds=600, pace=True, timeout=0.2)
    view = run_into(daemon, point.at, "submit", job=job, wait=PATIENCE)["job"]
    assert_recovered(daemon, view["id"], End(("failed",)))
    assert view["error"]["code"] == "timeout"


def test_timeout_of_one_that_obeys_nothing(daemon: DoomedDaemon) -> None:
    job = tempered(film(daemon, timeout=0.2), "stubborn")
    view = run_into(daemon, "after os:killpg(SIGKILL)", "submit", job=job, wait=PATIENCE)["job"]
    assert_recovered(daemon, view["id"], End(("failed",)))
    assert view["error"]["code"] == "timeout"


PROOF = [
    Point(f"after {RUN}.end_probe", "the probe has seen the output; it is not held against what it should be"),
    Point(f"before {RUN}.clean_up", "the output is found too short"),
    Point(f"after {RUN}.clean_up", "it is gone, and nobody is told"),
    Point(f"before {FAILED}", "RenderEnded has come"),
]


@pytest.mark.parametrize("point", PROOF, ids=told(PROOF))
def test_proof(daemon: DoomedDaemon, clips: Clips, point: Point) -> None:
    job = {**film(daemon), "inputs": [{"path": str(clips.cut_short())}]}
    view = run_into(daemon, point.at, "submit", job=job, wait=PATIENCE)["job"]
    assert_recovered(daemon, view["id"], End(("failed",)))
    assert view["error"]["code"] == "truncated"
