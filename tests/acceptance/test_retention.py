"""History ends in time: above `retention.max_bytes` the oldest finished jobs go, and old events are forgotten."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.history import age_events
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.wire import Map

LIMIT = 40_000


def with_config(text: str) -> Callable[[Path], dict[str, object]]:
    """The options of a daemon that has this configuration file."""

    def options(folder: Path) -> dict[str, object]:
        file = folder / "rushes.toml"
        file.write_text(text)
        return {"config": file, "slots": 1}

    return options


@pytest.fixture
def bounded(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that keeps so many bytes of files."""
    with serving(**with_config(f'[retention]\nmax_bytes = "{LIMIT} B"\n')(tmp_path)) as daemon:
        yield daemon


def film(target: Path, **more: object) -> Map:
    """Some 25 kB."""
    job = quick(target, **more)
    job["outputs"][0]["args"] = ["-c:v", "rawvideo", "-frames:v", "4", "-f", "avi"]
    return job


def test_the_first_to_end_go_first_and_what_is_wanted_to_stay_stays(bounded: Daemon) -> None:
    kept = bounded.finish(film(bounded.out / "kept.avi", keep_files=True))
    names = ["one", "two", "three", "four"]
    views = [bounded.finish(film(bounded.out / f"{name}.avi")) for name in names]
    size = views[0]["outputs"][0]["size"]
    stay = LIMIT // size
    assert 0 < stay < len(views), "the test's own numbers"
    for view in views[:-stay]:
        gone = bounded.event(view["id"], "expired")["data"]
        assert (gone["why"], gone["removed"]) == ("max_bytes", [view["outputs"][0]["path"]])
    assert [path.stem for path in sorted(bounded.out.glob("*.avi"))] == sorted(["kept", *names[-stay:]])
    assert bounded.view(kept["id"])["status"] == "completed"
    assert [bounded.view(view["id"])["status"] for view in views[-stay:]] == ["completed"] * stay


def test_what_runs_or_waits_is_not_made_room_with(bounded: Daemon) -> None:
    running = bounded.underway(lasting(bounded.out / "running.mp4"))
    waiting = bounded.submit(film(bounded.out / "waiting.avi"))["id"]
    assert bounded.view(running)["status"] == "processing"
    bounded.result("cancel", job_id=running, wait=30)
    assert bounded.outcome(waiting)["status"] == "completed"


def test_old_events_are_forgotten_and_a_reader_is_told_where_history_begins(daemon: Daemon) -> None:
    for number in range(3):
        daemon.finish(quick(daemon.out / f"{number}.mp4"))
    last = daemon.result("status")["last_seq"]
    daemon.terminate()
    age_events(daemon, last - 2)
    daemon.start()
    eventually(lambda: daemon.result("events", since=0)["oldest_seq"] == last - 1, "the old ones are forgotten")
    page = daemon.result("events", since=0)
    seqs = [event["seq"] for event in page["events"]]
    assert seqs == list(range(last - 1, page["last_seq"] + 1))


def test_a_number_is_never_given_again_whatever_is_forgotten(daemon: Daemon) -> None:
    daemon.finish(quick(daemon.out / "again.mp4"))
    daemon.result("drain")
    daemon.terminate()
    with closing(sqlite3.connect(daemon.data / "rushes.sqlite3")) as connection:
        (last,) = connection.execute("SELECT max(seq) FROM events").fetchone()
    age_events(daemon, last)
    daemon.start()
    eventually(lambda: (daemon.result("events", since=0)["oldest_seq"] or 0) >= last, "all but the last are forgotten")
    assert daemon.result("status")["last_seq"] > last
    assert [event["seq"] for event in daemon.events()][-1] == daemon.result("status")["last_seq"]
