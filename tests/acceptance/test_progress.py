"""PROTOCOL.md section 3: the ephemeral events, progress and heartbeat."""

from datetime import datetime
from itertools import pairwise

from tests.support.contract import EVENT, UUID, check
from tests.support.daemon import Daemon
from tests.support.jobs import lasting, picture
from tests.support.processes import eventually
from tests.support.wire import Listener, Map


def progress_of(listener: Listener, job_id: str) -> list[Map]:
    return [
        heard.event
        for heard in listener.heard
        if heard.event["type"] == "job.progress" and heard.event["job_id"] == job_id
    ]


def view_shows_progress(daemon: Daemon, job_id: str) -> bool:
    return (daemon.view(job_id)["progress"] or 0) > 0


def test_progress_rises_from_zero_to_one_and_comes_at_most_twice_a_second(daemon: Daemon, listener: Listener) -> None:
    job = lasting(daemon.out / "first.mp4", 1.5)
    job["outputs"].append({**job["outputs"][0], "path": str(daemon.out / "second.mp4")})
    job_id = daemon.submit(job)["id"]
    done = listener.wait_for("job.completed", job_id)["data"]["job"]
    heard = progress_of(listener, job_id)
    assert heard, "no progress of a job of three seconds"
    shares = [event["data"]["progress"] for event in heard]
    assert all(0 <= share <= 1 for share in shares)
    assert shares == sorted(shares)
    assert any(0 < share < 1 for share in shares)
    seconds = datetime.fromisoformat(done["finished_at"]) - datetime.fromisoformat(done["started_at"])
    assert len(heard) <= 2 * seconds.total_seconds() + 2
    for event in heard:
        check(event, EVENT)
        assert event["seq"] is None


def test_the_view_shows_progress_speed_and_eta_while_it_renders(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "a.mp4", 600))
    eventually(lambda: view_shows_progress(daemon, job_id), "the view shows progress")
    view = daemon.view(job_id)
    output = view["outputs"][0]
    assert 0 < output["progress"] < 0.5
    assert output["progress"] == view["progress"]
    assert output["status"] == "rendering"
    assert 0 < output["speed"] < 50
    assert 0 < output["eta"] < 6000


def test_a_filter_graph_that_says_how_long_it_is_has_progress(daemon: Daemon) -> None:
    output = {"path": str(daemon.out / "bars.mp4"), "args": ["-c:v", "mpeg4"]}
    job_id = daemon.rendering({"inputs": [picture(600, real_time=True)], "outputs": [output]})
    eventually(lambda: view_shows_progress(daemon, job_id), "the view shows progress")
    output = daemon.view(job_id)["outputs"][0]
    assert 0 < output["progress"] < 0.5
    assert output["eta"] > 0


def test_progress_is_nil_where_nobody_can_know_how_long_it_takes(daemon: Daemon, listener: Listener) -> None:
    source = {"path": "testsrc=size=64x36:rate=10", "args": ["-re", "-f", "lavfi"]}
    job = {
        "inputs": [source],
        "outputs": [{"path": str(daemon.out / "endless.mp4"), "args": ["-c:v", "mpeg4"]}],
    }
    job_id = daemon.rendering(job)
    for event in (listener.wait_for("job.progress", job_id), *progress_of(listener, job_id)):
        assert event["data"]["progress"] is None
    view = daemon.view(job_id)
    assert (view["progress"], view["outputs"][0]["progress"], view["outputs"][0]["eta"]) == (None, None, None)


def test_progress_over_several_outputs_counts_those_that_are_done(daemon: Daemon) -> None:
    job = {
        "inputs": [picture(0.5)],
        "outputs": [
            {"path": str(daemon.out / "done.mp4"), "args": ["-c:v", "mpeg4"]},
            {**lasting(daemon.out / "long.mp4")["outputs"][0], "inputs": lasting(daemon.out)["inputs"]},
        ],
    }
    job_id = daemon.submit(job)["id"]
    daemon.event(job_id, "output_completed")
    view = daemon.view(job_id)
    assert view["completed_outputs"] == 1
    assert 0.3 <= view["progress"] <= 0.7


def test_progress_events_are_not_stored(daemon: Daemon, listener: Listener) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "b.mp4"))
    listener.wait_for("job.progress", job_id)
    assert "progress" not in daemon.kinds(job_id)


def test_the_heartbeat_tells_the_last_seq_and_the_epoch(daemon: Daemon, listener: Listener) -> None:
    beats = [listener.await_heartbeat() for _ in range(2)]
    status = daemon.result("status")
    # What became of the last test's jobs may come late.
    topics = {heard.topic for heard in listener.heard if heard.event in beats}
    assert topics == {"daemon.heartbeat"}
    for beat in beats:
        check(beat, EVENT)
        assert (beat["seq"], beat["job_id"], beat["type"]) == (None, None, "daemon.heartbeat")
        assert UUID.match(beat["data"]["epoch"])
        assert beat["data"]["epoch"] == status["epoch"]
    assert beats[-1]["data"]["last_seq"] == status["last_seq"]


def test_the_last_seq_of_the_heartbeat_covers_all_that_was_heard_before(daemon: Daemon, listener: Listener) -> None:
    daemon.result("drain")
    for number in range(20):
        daemon.submit(lasting(daemon.out / f"{number}.mp4"))
    beat = listener.await_heartbeat()
    seqs = [event["seq"] for event in listener.events()]
    assert beat["data"]["last_seq"] >= seqs[-1]
    assert all(later == earlier + 1 for earlier, later in pairwise(seqs))
