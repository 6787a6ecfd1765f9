"""The metrics of a real daemon, scraped as Prometheus does: every number is what the bus says."""

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from actors.metrics.catalogue import CATALOGUE
from tests.support.daemon import Daemon, refused_start, serving
from tests.support.fakes import tempered
from tests.support.faults import tried
from tests.support.jobs import lasting, quick
from tests.support.ports import free_pair
from tests.support.processes import eventually
from tests.support.scrape import SUFFIXES, Scrape, listens_at, scrape
from tests.support.sqlite_files import locked
from tests.support.wire import PATIENCE, Map

Start = Callable[..., Daemon]

HUNG = 20
"""Scrapers that connect and say nothing."""

ROUNDING = 1e-4
"""Of sums of seconds that are told in microseconds."""


@pytest.fixture
def measured(start: Start, temperamental: Path) -> Daemon:
    """A daemon of this test's own, with its metrics on a port."""
    return start(slots=2, metrics_port=free_pair(), ffmpeg=temperamental)


def seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def story(daemon: Daemon) -> list[Map]:
    """Every durable event since this daemon was started."""
    events = daemon.events()
    begun = max(number for number, event in enumerate(events) if event["type"] == "daemon.started")
    return events[begun:]


def waits(events: list[Map]) -> list[float]:
    """How long each start of a job had to wait."""
    since: dict[str, str] = {}
    found = []
    for event in events:
        if event["type"] in ("job.submitted", "job.requeued"):
            since[event["job_id"]] = event["at"]
        elif event["type"] == "job.started":
            found.append(seconds(since[event["job_id"]], event["at"]))
    return found


def agrees(daemon: Daemon) -> Scrape:
    """See that a scrape says what the bus says, once nothing is under way any more from the store to the port."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return agrees_now(daemon)
        except AssertionError:
            if time.monotonic() > end:
                raise


def agrees_now(daemon: Daemon) -> Scrape:
    """The same at this moment: of all jobs that there are, and of all that happened since the daemon was started."""
    found, status, events = scrape(daemon), daemon.result("status"), story(daemon)
    kinds = Counter(event["type"] for event in events)
    jobs: list[Map] = daemon.result("list", limit=1000)["jobs"]
    assert {one.labels["status"]: one.value for one in found.of("rushes_jobs")} == status["counts"]
    slots = {one.labels["resource"]: one.value for one in found.of("rushes_slots")}
    used = {one.labels["resource"]: one.value for one in found.of("rushes_slots_used")}
    assert slots == {name: one["total"] for name, one in status["resources"].items()}
    assert used == {name: one["used"] for name, one in status["resources"].items()}
    assert found("rushes_event_seq") == status["last_seq"]
    assert found("rushes_draining") == status["draining"]
    assert found("rushes_jobs_submitted_total") == kinds["job.submitted"]
    assert found("rushes_jobs_started_total") == kinds["job.started"]
    ended = {end: kinds[f"job.{end}"] for end in ("completed", "failed", "cancelled")}
    assert {one.labels["status"]: one.value for one in found.of("rushes_jobs_ended_total")} == ended
    failures = Counter(event["data"]["error"]["code"] for event in events if event["type"] == "job.failed")
    assert found.by("rushes_job_failures_total", "code") == failures
    requeued = Counter(event["data"]["why"] for event in events if event["type"] == "job.requeued")
    assert found.by("rushes_jobs_requeued_total", "why") == requeued
    removed = {end: kinds[f"job.{end}"] for end in ("deleted", "expired")}
    assert {one.labels["why"]: one.value for one in found.of("rushes_jobs_removed_total")} == removed
    made = [event["data"]["size"] for event in events if event["type"] == "job.output_completed"]
    assert found("rushes_outputs_completed_total") == len(made)
    assert found("rushes_output_bytes_total") == sum(made)
    published = found.by("rushes_events_published_total", "type")
    for ephemeral in ("daemon.heartbeat", "job.progress"):
        published.pop(ephemeral, None)
    assert published == kinds
    for job in jobs:
        assert job["id"] not in str(found.samples), "no job's id is a label"
    return found


def runs(events: list[Map], end: str) -> list[float]:
    """How long each run took that came to this."""
    since: dict[str, str] = {}
    found = []
    for event in events:
        if event["type"] == "job.started":
            since[event["job_id"]] = event["at"]
        elif event["type"] in ("job.completed", "job.failed", "job.cancelled", "job.requeued"):
            began = since.pop(event["job_id"], None)
            if event["type"] == f"job.{end}" and began is not None:
                found.append(seconds(began, event["at"]))
    return found


# ---------------------------------------------------------------- jobs


def test_jobs_that_complete_fail_and_are_cancelled_are_counted_as_the_bus_tells_it(measured: Daemon) -> None:
    daemon = measured
    done = [daemon.finish(quick(daemon.out / f"{number}.mp4", daemon.out / f"{number}b.mp4")) for number in range(3)]
    failed = daemon.finish(tempered(quick(daemon.out / "x.mp4"), "dying"))
    assert failed["status"] == "failed"
    running = daemon.rendering(lasting(daemon.out / "r.mp4"))
    daemon.result("cancel", job_id=running, wait=30)
    daemon.result("drain")
    daemon.result("retry", job_id=failed["id"])
    for queued in (failed["id"], daemon.submit(quick(daemon.out / "q.mp4"))["id"]):
        daemon.result("cancel", job_id=queued)
    daemon.result("resume")
    daemon.result("delete", job_id=done[0]["id"])
    found, events = agrees(daemon), story(daemon)
    assert {end: found("rushes_jobs_ended_total", status=end) for end in ("completed", "failed", "cancelled")} == {
        "completed": 3, "failed": 1, "cancelled": 3
    }  # fmt: skip
    # Two were cancelled in the queue, where one had run before: that run was another's.
    for end, count in (("completed", 3), ("failed", 1), ("cancelled", 1)):
        took = runs(events, end)
        assert found("rushes_job_run_seconds_count", status=end) == len(took) == count
        assert found("rushes_job_run_seconds_sum", status=end) == pytest.approx(sum(took), abs=ROUNDING)
    waited = waits(events)
    assert found("rushes_job_queue_seconds_count") == len(waited) == 5
    assert found("rushes_job_queue_seconds_sum") == pytest.approx(sum(waited), abs=ROUNDING)
    speeds = [output["speed"] for job in done for output in job["outputs"]]
    assert found("rushes_encode_speed_ratio_count") == len([speed for speed in speeds if speed is not None])
    assert found("rushes_encode_speed_ratio_sum") == pytest.approx(sum(speed or 0 for speed in speeds))


def test_a_failure_that_is_tried_again_and_a_retry_wait_from_when_they_were_queued(measured: Daemon) -> None:
    daemon = measured
    job = daemon.submit(tempered(quick(daemon.out / "x.mp4", max_attempts=2), "crashing"))
    assert daemon.outcome(job["id"])["attempts"] == 2
    daemon.result("retry", job_id=job["id"], wait=30)
    found, events = agrees(daemon), story(daemon)
    assert found.by("rushes_jobs_requeued_total", "why") == {"attempt": 2, "retry": 1}
    waited = waits(events)
    assert found("rushes_job_queue_seconds_count") == len(waited) == 4
    assert found("rushes_job_queue_seconds_sum") == pytest.approx(sum(waited), abs=ROUNDING)


def test_children_of_a_daemon_that_was_killed_are_counted_by_the_next(measured: Daemon) -> None:
    daemon = measured
    adopted = daemon.rendering(lasting(daemon.out / "adopted.mp4"))
    lost = daemon.rendering(lasting(daemon.out / "lost.mp4"))
    child = daemon.child(lost)
    daemon.kill9()
    os.killpg(child.shim.pid, signal.SIGKILL)
    eventually(lambda: not child.members(), "the child is gone")
    daemon.start()  # on the same port, which no child holds
    daemon.event(lost, "requeued")
    daemon.child(lost)
    eventually(lambda: scrape(daemon)("rushes_children_adopted_total") == 1, "the other is adopted")
    for job_id in (adopted, lost):
        daemon.result("cancel", job_id=job_id, wait=30)
    found = agrees(daemon)
    assert found("rushes_children_adopted_total") == 1
    assert found.by("rushes_jobs_requeued_total", "why") == {"recovery": 1}
    # The run that was adopted began before this daemon did.
    started = daemon.event(adopted, "started")["at"]
    both = seconds(started, daemon.event(adopted, "cancelled")["at"]) + sum(runs(story(daemon), "cancelled"))
    assert found("rushes_job_run_seconds_sum", status="cancelled") == pytest.approx(both, abs=ROUNDING)
    # The wait of the one that was queued again began a moment ago, not when it was submitted.
    assert found("rushes_job_queue_seconds_count") == 1
    assert found("rushes_job_queue_seconds_sum") == pytest.approx(sum(waits(story(daemon))), abs=ROUNDING)


def test_it_shows_that_jobs_wait_and_for_how_long_and_what_is_encoded(measured: Daemon) -> None:
    daemon = measured
    daemon.rendering(lasting(daemon.out / "r.mp4"))
    eventually(lambda: scrape(daemon)("rushes_running_speed_ratio") > 0, "its speed is known")
    daemon.result("drain")
    first = daemon.submit(quick(daemon.out / "1.mp4"))
    daemon.submit(quick(daemon.out / "2.mp4", priority=5))

    def sees() -> Scrape | None:
        found = scrape(daemon)
        return found if found("rushes_queue_ready") and found("rushes_queue_oldest_seconds") else None

    found = eventually(sees, "a heartbeat after both")
    assert found is not None
    assert found("rushes_draining") == 1
    assert (found("rushes_jobs", status="queued"), found("rushes_jobs", status="processing")) == (2, 1)
    age = datetime.now().timestamp() - datetime.fromisoformat(first["created_at"]).timestamp()  # noqa: DTZ005
    assert 0 < found("rushes_queue_oldest_seconds") <= age
    daemon.result("resume")
    eventually(lambda: not scrape(daemon)("rushes_queue_ready"), "both are started")
    eventually(lambda: scrape(daemon)("rushes_jobs", status="queued") == 0, "the queue is empty")
    assert scrape(daemon)("rushes_queue_oldest_seconds") == 0
    agrees(daemon)


def test_what_is_paused_is_not_encoded(measured: Daemon) -> None:
    daemon = measured
    job = daemon.rendering(lasting(daemon.out / "r.mp4"))
    eventually(lambda: scrape(daemon)("rushes_running_speed_ratio") > 0, "its speed is known")
    daemon.result("pause", job_id=job)
    eventually(lambda: scrape(daemon)("rushes_running_speed_ratio") == 0, "it stands still")
    assert agrees(daemon)("rushes_jobs", status="processing") == 1
    daemon.result("unpause", job_id=job)
    eventually(lambda: scrape(daemon)("rushes_running_speed_ratio") > 0, "it goes on")


def test_a_job_that_asks_for_more_slots_than_are_free_or_is_paused_is_no_stuck_queue(measured: Daemon) -> None:
    daemon = measured
    daemon.rendering(lasting(daemon.out / "r.mp4"))
    large = daemon.submit(quick(daemon.out / "1.mp4", resources={"cpu": 2}))["id"]
    eventually(lambda: scrape(daemon)("rushes_queue_oldest_seconds") > 0, "a heartbeat after it")
    found = agrees(daemon)
    assert (found("rushes_queue_ready"), found("rushes_jobs", status="queued")) == (0, 1)
    assert (found("rushes_slots", resource="cpu"), found("rushes_slots_used", resource="cpu")) == (2, 1)
    daemon.result("slots", slots={"cpu": 3})
    daemon.outcome(large)
    daemon.result("drain")
    paused = daemon.submit(quick(daemon.out / "2.mp4"))["id"]
    eventually(lambda: scrape(daemon)("rushes_queue_ready") == 1, "it could be started")
    daemon.result("pause", job_id=paused)
    eventually(lambda: scrape(daemon)("rushes_queue_ready") == 0, "it could not")
    assert agrees(daemon)("rushes_jobs", status="queued") == 1


def test_jobs_that_wait_for_room_are_no_stuck_queue(start: Start) -> None:
    daemon = start(metrics_port=free_pair(), min_free="1000TB")
    job = daemon.submit(quick(daemon.out / "1.mp4"))["id"]
    daemon.event(job, "requeued")
    eventually(lambda: scrape(daemon)("rushes_disks_low") == 1, "the disk is known to be low")
    eventually(lambda: not scrape(daemon)("rushes_queue_ready"), "nothing is ready")
    found = agrees(daemon)
    assert found("rushes_jobs", status="queued") == 1
    assert found.by("rushes_jobs_requeued_total", "why") == {"disk": 1}


# ---------------------------------------------------------------- commands, the store, the disk


def test_commands_are_counted_and_timed_by_type_and_refusals_by_code(measured: Daemon) -> None:
    daemon = measured
    job = daemon.finish(quick(daemon.out / "1.mp4"))
    before = scrape(daemon)
    for _ in range(7):
        daemon.result("list")
    for _ in range(3):
        assert daemon.refusal("cancel", job_id=job["id"])["code"] == "conflict"
    assert daemon.refusal("get", job_id="nobody")["code"] == "not_found"
    assert daemon.refusal("get", job_id="nobody", wait=1)["code"] == "not_found"
    assert daemon.refusal("get", job_id=7)["code"] == "invalid"
    assert daemon.refusal("paint")["code"] == "unsupported"
    daemon.wire.send_frames(b"no msgpack at all")
    assert daemon.wire.receive()["error"]["code"] == "invalid"
    after = scrape(daemon)

    def more(name: str, label: str) -> dict[str, float]:
        was, now = before.by(name, label), after.by(name, label)
        return {key: now[key] - was.get(key, 0) for key in now if now[key] != was.get(key)}

    assert more("rushes_commands_total", "type") == {"list": 7, "cancel": 3, "get": 2}
    assert more("rushes_command_seconds_count", "type") == {"list": 7, "cancel": 3, "get": 1}
    assert more("rushes_refusals_total", "code") == {"conflict": 3, "not_found": 2, "invalid": 2, "unsupported": 1}
    assert set(more("rushes_command_seconds_sum", "type")) == {"list", "cancel", "get"}


def test_every_commit_is_timed_and_a_turn_that_cannot_be_written_counts_for_nothing_else() -> None:
    with tried(metrics_port=free_pair(), expects={"store_unavailable"}) as daemon:
        daemon.result("drain")
        before = scrape(daemon)("rushes_store_commit_seconds_count")
        daemon.submit(quick(daemon.out / "1.mp4"))
        after = scrape(daemon)
        assert after("rushes_store_commit_seconds_count") > before
        assert after("rushes_store_commit_seconds_sum") > 0
        assert after("rushes_store_errors_total") == 0
        with locked(daemon.store):
            assert daemon.code("submit", job=quick(daemon.out / "2.mp4")) == "unavailable"
            found = scrape(daemon)
            assert found("rushes_store_errors_total") >= 1
            assert found("rushes_jobs_submitted_total") == found("rushes_jobs", status="queued") == 1
            assert found("rushes_refusals_total", code="unavailable") == 1
        eventually(lambda: daemon.code("submit", job=quick(daemon.out / "2.mp4")) == "ok", "it is taken again")
        assert agrees(daemon)("rushes_jobs_submitted_total") == 2


def test_the_disk_and_the_process_are_what_the_system_says(measured: Daemon) -> None:
    daemon = measured

    def is_right() -> bool:
        found, disk = scrape(daemon), os.statvfs(daemon.data)
        assert found("rushes_disk_size_bytes") == disk.f_blocks * disk.f_frsize
        return found("rushes_disk_free_bytes") == pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.01)

    eventually(is_right, "nobody else writes much")
    found = scrape(daemon)
    store = daemon.data / "rushes.sqlite3"
    assert found("rushes_store_bytes") >= store.stat().st_size > 0
    assert found("process_open_fds") > 10
    assert found("rushes_build_info", version=daemon.result("status")["version"]) == 1
    assert found("rushes_store_full") == 0


# ---------------------------------------------------------------- the port


def test_without_a_port_there_is_none_and_no_thread(start: Start) -> None:
    without, with_ = start(), start(metrics_port=free_pair())
    assert listens_at(without.pid) == set()
    assert listens_at(with_.pid) == {("127.0.0.1", with_.options["metrics_port"])}

    def threads(daemon: Daemon) -> int:
        return len(list(Path(f"/proc/{daemon.pid}/task").iterdir()))

    eventually(lambda: threads(with_) == threads(without) + 1, "all threads have begun, and it has one more")


def test_a_port_in_use_is_one_clear_line_and_the_daemon_does_not_start(tmp_path: Path) -> None:
    where = ("--data", str(tmp_path / "data"), "--bus", f"ipc://{tmp_path}/bus", "--log-format", "console")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, lines = refused_start(*where, "--metrics-port", str(port))
    assert status == 1
    said = [line for line in lines if line.startswith("rushes: ")]
    assert said == lines[-1:]
    assert f"metrics port 127.0.0.1:{port} cannot be used: Address already in use" in said[0]
    assert "--metrics-port" in said[0]
    status, lines = refused_start(*where, "--metrics-port", "70000")
    assert (status, len(lines)) == (2, 1)
    assert "metrics.port" in lines[0]


@pytest.mark.parametrize("told_by", ["words", "environment"])
def test_a_scraper_that_hangs_holds_up_neither_others_nor_the_end(start: Start, told_by: str) -> None:
    daemon = start(metrics_port=free_pair(), told_by=told_by)
    port = int(str(daemon.options["metrics_port"]))
    hung = [socket.create_connection(("127.0.0.1", port)) for _ in range(HUNG)]
    try:
        hung[0].sendall(b"GET /metrics HTTP/1.1\r\n")
        assert scrape(daemon)("rushes_jobs", status="queued") == 0
        assert daemon.terminate() == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    finally:
        for connection in hung:
            connection.close()
    daemon.start()
    agrees(daemon)


def test_the_port_may_stand_in_the_file_and_the_log_says_where_it_is(start: Start, tmp_path: Path) -> None:
    port, file = free_pair(), tmp_path / "rushes.toml"
    file.write_text(f"[metrics]\nport = {port}\n")
    daemon = start(config=file)
    assert listens_at(daemon.pid) == {("127.0.0.1", port)}
    [line] = [line for line in daemon.log() if line["event"] == "metrics_served"]
    assert line["url"] == f"http://127.0.0.1:{port}/metrics"


# ---------------------------------------------------------------- the catalogue


@pytest.fixture(scope="module")
def of_all(deaf_hook: Path) -> Iterator[Scrape]:
    """What a daemon shows that has done something of each kind."""
    with serving(slots=1, metrics_port=free_pair(), config=deaf_hook) as daemon:
        daemon.finish(quick(daemon.out / "1.mp4"))
        yield scrape(daemon)


def test_a_scrape_has_what_is_in_the_catalogue_and_nothing_else(of_all: Scrape) -> None:
    found = {f"{family.name}_total" if family.type == "counter" else family.name: family for family in of_all.families}
    assert set(found) == set(CATALOGUE)
    for name, metric in CATALOGUE.items():
        family = found[name]
        assert family.type == metric.kind, name
        samples = {f"{name}{suffix}" for suffix in SUFFIXES.get(metric.kind, ("",))}
        assert {sample.name for sample in family.samples} == samples
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels == set(metric.labels.split()), name
        if name.startswith("rushes_"):
            assert family.documentation == metric.means
