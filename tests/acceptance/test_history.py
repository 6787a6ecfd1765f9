"""PROTOCOL.md: `events`, `log`, `audit`, `status`: what can be read of what has happened."""

import getpass
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.contract import EVENT, STATUS, check
from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import quick

LATE = 4
"""Seconds between two heartbeats on a machine that others use, too."""


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


def test_all_events_can_be_read_page_by_page_without_a_gap(daemon: Daemon) -> None:
    daemon.finish(quick(daemon.out / "pages.mp4"))
    seqs: list[int] = []
    while True:
        page = daemon.result("events", since=seqs[-1] if seqs else 0, limit=3)
        if not page["events"]:
            break
        assert len(page["events"]) <= 3
        seqs += [event["seq"] for event in page["events"]]
        for event in page["events"]:
            check(event, EVENT)
    assert seqs == list(range(1, page["last_seq"] + 1))
    assert page["oldest_seq"] == 1


def test_a_heartbeat_comes_each_second(daemon: Daemon) -> None:
    with daemon.listener("daemon.heartbeat") as listener:
        beats = [listener.await_heartbeat() for _ in range(4)]
    times = [datetime.fromisoformat(beat["at"]) for beat in beats]
    assert 2.5 < (times[-1] - times[0]).total_seconds() < 3 * LATE
    assert {beat["data"]["epoch"] for beat in beats} == {daemon.result("status")["epoch"]}


def test_since_is_exclusive(daemon: Daemon) -> None:
    daemon.finish(quick(daemon.out / "since.mp4"))
    last = daemon.result("status")["last_seq"]
    assert daemon.result("events", since=last)["events"] == []
    assert [event["seq"] for event in daemon.events(since=last - 1)] == [last]
    assert daemon.result("events", since=last + 1000)["events"] == []


def test_the_events_of_one_job_are_its_own(daemon: Daemon) -> None:
    ids = [daemon.finish(quick(daemon.out / f"mine-{number}.mp4"))["id"] for number in range(2)]
    for job_id in ids:
        events = daemon.events(job_id)
        assert {event["job_id"] for event in events} == {job_id}
        assert events[0]["type"] == "job.submitted"
        assert events[-1]["type"] == "job.completed"
    assert daemon.events("nobody") == []


def test_the_history_begins_with_the_start_of_the_daemon(daemon: Daemon) -> None:
    assert daemon.events()[0]["type"] == "daemon.started"


def test_the_epoch_and_the_history_go_on_over_a_restart(daemon: Daemon) -> None:
    job_id = daemon.finish(quick(daemon.out / "epoch.mp4"))["id"]
    before, status = daemon.result("events"), daemon.result("status")
    daemon.restart()
    after = daemon.result("events")
    assert after["epoch"] == before["epoch"] == status["epoch"] == daemon.result("status")["epoch"]
    assert after["events"][: len(before["events"])] == before["events"]
    assert [event["seq"] for event in after["events"]] == list(range(1, after["last_seq"] + 1))
    assert daemon.view(job_id)["status"] == "completed"


def test_another_data_folder_is_another_epoch(daemon: Daemon, start: Callable[..., Daemon]) -> None:
    assert start().result("status")["epoch"] != daemon.result("status")["epoch"]


def test_the_log_is_what_ffmpeg_said(daemon: Daemon) -> None:
    view = daemon.finish(quick(daemon.out / "log-1.mp4", daemon.out / "log-2.mp4"))
    for output in (0, 1):
        result = daemon.result("log", job_id=view["id"], output=output)
        assert "lavfi" in result["text"]
        assert result["truncated"] is False
    assert "Input #0" in daemon.result("log", job_id=view["id"])["text"]


def test_the_tail_of_a_log_is_its_last_lines(daemon: Daemon) -> None:
    job_id = daemon.finish(quick(daemon.out / "tail.mp4"))["id"]
    whole = daemon.result("log", job_id=job_id)["text"].splitlines()
    tail = daemon.result("log", job_id=job_id, tail=3)
    assert tail["text"].splitlines() == whole[-3:]
    assert daemon.result("log", job_id=job_id, tail=10_000)["text"].splitlines() == whole


def test_a_log_can_be_followed_by_its_offset(daemon: Daemon) -> None:
    job_id = daemon.finish(quick(daemon.out / "offset.mp4"))["id"]
    whole = daemon.result("log", job_id=job_id)
    assert daemon.result("log", job_id=job_id, offset=whole["next_offset"])["text"] == ""
    rest = daemon.result("log", job_id=job_id, offset=10)
    assert rest["text"] == whole["text"][10:]
    assert rest["next_offset"] == whole["next_offset"]


def test_each_attempt_has_its_own_log_and_the_latest_is_shown(daemon: Daemon) -> None:
    job_id = daemon.finish(tempered(quick(daemon.out / "attempts.mp4", max_attempts=2), "flaky"))["id"]
    assert "lavfi" not in daemon.result("log", job_id=job_id, output=0, attempt=1)["text"]
    latest = daemon.result("log", job_id=job_id, output=0)["text"]
    assert "lavfi" in latest
    assert daemon.result("log", job_id=job_id, output=0, attempt=2)["text"] == latest


def test_a_log_that_is_not_there_is_not_found(daemon: Daemon) -> None:
    job_id = daemon.finish(quick(daemon.out / "none.mp4"))["id"]
    assert daemon.refusal("log", job_id=job_id, output=1)["code"] == "not_found"
    assert daemon.refusal("log", job_id=job_id, attempt=2)["code"] == "not_found"
    assert daemon.refusal("log", job_id="a" * 16)["code"] == "not_found"


def test_the_log_of_a_failure_says_why(daemon: Daemon) -> None:
    view = daemon.finish(tempered(quick(daemon.out / "why.mp4"), "dying"))
    assert "this is the reason" in daemon.result("log", job_id=view["id"])["text"]
    assert "this is the reason" in view["error"]["message"]


def test_every_command_that_changes_something_is_audited_with_who_asked_and_what_came_of_it(
    daemon: Daemon,
) -> None:
    before = daemon.result("audit")["last_seq"]
    daemon.result("drain")
    submitted = daemon.wire.send("submit", job=quick(daemon.out / "audited.mp4"))
    job_id = daemon.wire.reply_to(submitted)["result"]["job"]["id"]
    daemon.result("boost", job_id=job_id, by=1)
    daemon.refusal("retry", job_id=job_id)
    daemon.result("cancel", job_id=job_id)
    daemon.result("delete", job_id=job_id)
    daemon.refusal("submit", job=quick(daemon.out / "missing" / "b.mp4"))
    daemon.result("resume")
    daemon.result("status")
    daemon.refusal("get", job_id=job_id)
    entries = daemon.result("audit", since=before)["entries"]
    story = [(entry["type"], entry["outcome"]) for entry in entries]
    assert story == [
        ("drain", "ok"), ("submit", "ok"), ("boost", "ok"), ("retry", "conflict"), ("cancel", "ok"),
        ("delete", "ok"), ("submit", "invalid"), ("resume", "ok"),
    ]  # fmt: skip
    assert {entry["by"] for entry in entries} == {getpass.getuser()}
    assert entries[1]["command_id"] == submitted
    assert [entry["job_id"] for entry in entries[1:6]] == [job_id] * 5


def test_the_audit_is_read_page_by_page(daemon: Daemon) -> None:
    before = daemon.result("audit")["last_seq"]
    for _ in range(5):
        daemon.result("drain")
        daemon.result("resume")
    first = daemon.result("audit", since=before, limit=4)
    rest = daemon.result("audit", since=first["entries"][-1]["seq"])
    seqs = [entry["seq"] for entry in first["entries"] + rest["entries"]]
    assert len(first["entries"]) == 4
    assert len(seqs) == 10
    assert seqs == sorted(set(seqs))
    assert rest["last_seq"] == seqs[-1] == first["last_seq"]


@pytest.mark.parametrize("again", [1, 2])
def test_a_repeated_command_is_audited_once(daemon: Daemon, again: int) -> None:
    command_id = f"audited-{again}"
    for _ in range(again + 1):
        daemon.result("resume", id=command_id)
    entries = daemon.result("audit")["entries"]
    assert [entry["command_id"] for entry in entries].count(command_id) == 1


def test_the_status_tells_of_the_daemon(daemon: Daemon) -> None:
    daemon.finish(quick(daemon.out / "status.mp4"))
    status = daemon.result("status")
    check(status, STATUS)
    assert (status["pid"], status["slots"], status["running"], status["queued"]) == (daemon.pid, 2, 0, 0)
    assert set(status["counts"]) == {"queued", "processing", "completed", "failed", "cancelled"}
    assert status["counts"]["completed"] >= 1
    assert status["uptime"] >= 0
