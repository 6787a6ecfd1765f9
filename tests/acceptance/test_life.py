"""One real transcode from submit to `completed`: what is heard, stored, shown, and left on disk."""

import getpass
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.contract import EVENT, JOB, check
from tests.support.daemon import Daemon, serving
from tests.support.jobs import FAST
from tests.support.media import Clips
from tests.support.wire import Heard, Map, new_id

SIZES = [(320, 180), (160, 90), (80, 44)]


@dataclass
class Life:
    """All that one job with three outputs left behind."""

    daemon: Daemon
    command_id: str
    targets: list[Path]
    submitted: Map
    heard: list[Heard]
    view: Map

    @property
    def durable(self) -> list[Map]:
        """The job's durable events as they were heard."""
        return [heard.event for heard in self.heard if heard.event["seq"] is not None]

    def data_of(self, kind: str) -> Map:
        """The `data` of the job's one event of that kind."""
        (found,) = [event["data"] for event in self.durable if event["type"] == f"job.{kind}"]
        data: Map = found
        return data


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    with serving(slots=2) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def life(shared: Daemon, clips: Clips) -> Life:
    """A job with three outputs of different sizes, lived through once for all the tests here."""
    targets = [shared.out / f"{width}.mp4" for width, _ in SIZES]
    outputs = [
        {"path": str(target), "name": f"w{width}", "args": ["-vf", f"scale={width}:{height}", *FAST]}
        for target, (width, height) in zip(targets, SIZES, strict=True)
    ]
    job = {"inputs": [{"path": str(clips.clip(3))}], "outputs": outputs, "session": "premiere", "ttl": 3600}
    command_id = new_id()
    with shared.listener("job.") as listener:
        submitted = shared.result("submit", id=command_id, job=job)["job"]
        listener.wait_for("job.completed", submitted["id"])
        heard = [one for one in listener.heard if one.event["job_id"] == submitted["id"]]
    return Life(shared, command_id, targets, submitted, heard, shared.view(submitted["id"]))


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_the_submitted_job_is_shown_as_it_begins(life: Life) -> None:
    check(life.submitted, JOB)
    shown = {name: life.submitted[name] for name in ("attempts", "completed_outputs", "total_outputs", "error")}
    assert shown == {"attempts": 0, "completed_outputs": 0, "total_outputs": 3, "error": None}
    assert [output["status"] for output in life.submitted["outputs"]] == ["pending"] * 3
    assert life.submitted["submitted_by"] == getpass.getuser()


def test_its_events_come_in_the_order_of_its_life(life: Life) -> None:
    rendered = ["job.output_started", "job.output_completed"] * 3
    expected = ["job.submitted", "job.started", *rendered, "job.completed"]
    assert [event["type"] for event in life.durable] == expected


def test_every_event_has_the_fields_of_the_protocol(life: Life) -> None:
    for _, event in life.heard:
        check(event, EVENT)
        assert event["session"] == "premiere"
    assert life.durable[0]["by"] == getpass.getuser()
    assert life.durable[0]["command_id"] == life.command_id


def test_the_topic_is_the_job_and_the_kind(life: Life) -> None:
    for topic, event in life.heard:
        scope, _, kind = event["type"].partition(".")
        assert topic == f"{scope}.{event['job_id']}.{kind}"


def test_the_seq_rises_by_exactly_one(life: Life) -> None:
    seqs = [event["seq"] for event in life.durable]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def test_what_was_heard_is_what_is_stored(life: Life) -> None:
    assert life.daemon.events(life.view["id"]) == life.durable


def test_the_view_is_as_the_protocol_has_it(life: Life) -> None:
    check(life.view, JOB)
    assert life.view["seq"] == life.durable[-1]["seq"]
    shown = {name: life.view[name] for name in ("status", "phase", "position", "progress", "attempts", "cancel")}
    assert shown == {
        "status": "completed", "phase": None, "position": None, "progress": 1, "attempts": 1, "cancel": None
    }  # fmt: skip
    assert (life.view["completed_outputs"], life.view["total_outputs"]) == (3, 3)


def test_the_terminal_event_carries_the_view(life: Life) -> None:
    assert life.data_of("completed")["job"] == life.view


def test_each_output_is_shown_with_what_is_in_the_file(life: Life, clips: Clips) -> None:
    for index, output in enumerate(life.view["outputs"]):
        media = clips.probe(life.targets[index])
        assert (output["index"], output["status"], output["progress"]) == (index, "completed", 1)
        assert output["size"] == life.targets[index].stat().st_size
        assert (output["width"], output["height"]) == SIZES[index] == (media.width, media.height)
        assert output["fps"] == pytest.approx(25)
        assert output["duration"] == pytest.approx(media.duration, abs=0.05)
        assert media.duration == pytest.approx(3, abs=0.1)
        assert (media.video, media.audio) == ("h264", "aac")
        assert clips.decodes(life.targets[index])


def test_the_outputs_are_rendered_one_after_the_other(life: Life) -> None:
    times = [(output["started_at"], output["finished_at"]) for output in life.view["outputs"]]
    moments = [moment for pair in times for moment in pair]
    assert moments == sorted(moments)


def test_its_times_are_in_order_and_it_expires_after_its_ttl(life: Life) -> None:
    view = life.view
    assert view["created_at"] <= view["started_at"] <= view["finished_at"] < view["expires_at"]
    assert view["cancelled_at"] is None
    assert seconds_between(view["finished_at"], view["expires_at"]) == pytest.approx(3600, abs=1)


def test_nothing_but_the_outputs_is_in_their_folder(life: Life) -> None:
    assert sorted(life.daemon.out.iterdir()) == sorted(life.targets)


def test_the_rest_of_the_work_folder_holds_no_pipe(life: Life) -> None:
    assert not [path for path in life.daemon.data.rglob("*") if path.is_fifo()]


def test_the_log_has_the_submit_with_who_asked(life: Life) -> None:
    (line,) = [line for line in life.daemon.log() if line.get("command_id") == life.command_id]
    assert (line["event"], line["type"]) == ("command_done", "submit")
    assert (line["by"], line["job_id"]) == (getpass.getuser(), life.view["id"])


def test_a_subscription_to_one_job_hears_that_job_only(life: Life, clips: Clips) -> None:
    daemon = life.daemon
    daemon.result("drain")
    spec = {"inputs": [{"path": str(clips.clip())}], "outputs": []}
    jobs = [
        daemon.submit({**spec, "outputs": [{"path": str(daemon.out / f"one-{name}.mp4"), "args": FAST}]})["id"]
        for name in "ab"
    ]
    with daemon.listener(f"job.{jobs[1]}.") as listener:
        daemon.result("resume")
        listener.wait_for("job.completed", jobs[1])
        daemon.outcome(jobs[0])
        listener.await_heartbeat()
    assert {heard.event["job_id"] for heard in listener.heard} == {jobs[1]}
    for target in daemon.out.glob("one-*"):
        target.unlink()
