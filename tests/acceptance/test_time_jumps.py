"""The wall clock is set a day ahead or back while the daemon runs, or while none does: nothing comes early or late."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.wallclock import DAY, ShiftedDaemon, build, compiler
from tests.support.wire import Dealer, Map, new_id

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler (cc) to make the shifted clock with")

GRACE = 0.4
RETRY_DELAY = 1.0
LATE = 20.0
"""What a thing that is due may take besides: a sweep comes once a second, others use the machine, too, and the clock is
set a day ahead or back.
"""

ROUNDING = 0.05


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def shared(library: Path, temperamental: Path) -> Iterator[ShiftedDaemon]:
    daemon = ShiftedDaemon(
        library, slots=6, grace=GRACE, ffmpeg=temperamental, more={"RUSHES_RETRY_DELAY": str(RETRY_DELAY)}
    )
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.close()


@pytest.fixture
def clock(shared: ShiftedDaemon, daemon: Daemon) -> Iterator[Callable[[int], None]]:
    """Set the daemon's clock so far ahead; afterwards it is right again."""
    yield lambda seconds: set_clock(shared, seconds)
    set_clock(shared, 0)


@pytest.fixture(params=[DAY, -DAY], ids=["ahead", "back"])
def jump(request: pytest.FixtureRequest, clock: Callable[[int], None]) -> Callable[[], None]:
    """Set the daemon's clock once."""
    return lambda: clock(request.param)


def set_clock(daemon: ShiftedDaemon, seconds: int) -> None:
    daemon.shift(seconds)
    if daemon.running():
        daemon.refusal("cancel", job_id="a" * 16)
        told = datetime.fromisoformat(last_audited(daemon)["at"]).timestamp()
        assert abs(told - time.time() - seconds) < 60, "the library does its work"


def last_audited(daemon: Daemon) -> Map:
    """The newest entry of the audit."""
    entry: Map = daemon.result("audit", since=daemon.result("audit")["last_seq"] - 1)["entries"][-1]
    return entry


def between(daemon: Daemon, job_id: str, first: str, then: str) -> float:
    """Seconds from a job's first event of one kind to its last of another, however often the clock was set by a day."""
    begins, ends = (
        [datetime.fromisoformat(event["at"]) for event in daemon.events(job_id) if event["type"] == f"job.{kind}"]
        for kind in (first, then)
    )
    return (ends[-1] - begins[0]).total_seconds() % DAY


def assert_gapless(daemon: Daemon) -> None:
    events = daemon.events()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


# ---------------------------------------------------------------- while it runs


def test_nothing_expires_early_or_late_and_the_heart_beats_on(daemon: Daemon, clock: Callable[[int], None]) -> None:
    ttl = 1.0
    with daemon.listener() as listener:
        long = daemon.finish(quick(daemon.out / f"{new_id()}.mp4", ttl=3600))["id"]
        short = daemon.submit(quick(daemon.out / f"{new_id()}.mp4", ttl=ttl))["id"]
        listener.wait_for("job.completed", short)
        clock(DAY)
        after = daemon.finish(quick(daemon.out / f"{new_id()}.mp4", ttl=3600))["id"]
        listener.await_heartbeat()
        first = time.monotonic()
        clock(-DAY)
        listener.await_heartbeat()
        assert time.monotonic() - first < 1 + LATE
        listener.wait_for("job.expired", short)
        assert ttl - ROUNDING < between(daemon, short, "completed", "expired") < ttl + LATE
    for job_id in (long, after):
        assert daemon.view(job_id)["status"] == "completed"
    assert daemon.result("events", since=0)["oldest_seq"] == 1, "no history is forgotten"
    assert_gapless(daemon)


def test_timeouts_graces_backoffs_and_waits_take_as_long_as_they_should(
    daemon: Daemon, clock: Callable[[int], None]
) -> None:
    name = new_id()
    timed = daemon.rendering(lasting(daemon.out / f"{name}-timed.mp4", timeout=1.5))
    stalled = daemon.underway(tempered(lasting(daemon.out / f"{name}-stalled.mp4", stall_timeout=1.5), "deaf"))
    stubborn = daemon.underway(tempered(lasting(daemon.out / f"{name}-stubborn.mp4"), "stubborn"))
    lasts = daemon.rendering(lasting(daemon.out / f"{name}-lasts.mp4", timeout=600, stall_timeout=600))
    began = time.monotonic()
    with daemon.listener() as listener, Dealer(daemon.bus, daemon.running) as client:
        retried = daemon.submit(tempered(quick(daemon.out / f"{name}-x.mp4", max_attempts=2), "flaky"))["id"]
        listener.wait_for("job.requeued", retried)
        asked = time.monotonic()
        waits = client.send("get", job_id=lasts, wait=1.5)
        daemon.result("cancel", job_id=stubborn)
        clock(DAY)
        listener.wait_for("job.signalled", stubborn, stage="SIGTERM")
        clock(-DAY)
        reply = client.reply_to(waits)
        waited = time.monotonic() - asked
        listener.wait_for("job.completed", retried)
        put_off = between(daemon, retried, "requeued", "started")
        for job_id in (timed, stalled):
            listener.wait_for("job.failed", job_id)
        failed = time.monotonic() - began
    assert reply["result"]["job"]["status"] == "processing"
    assert 1.5 - ROUNDING < waited < 1.5 + LATE
    assert 0.5 * RETRY_DELAY - ROUNDING < put_off < RETRY_DELAY + LATE
    assert failed < 1.5 + 2 * GRACE + LATE
    assert [daemon.view(one)["error"]["code"] for one in (timed, stalled)] == ["timeout", "stalled"]
    rungs = {
        event["data"]["stage"]: event["data"]["after"]
        for event in daemon.events(stubborn)
        if "signalled" in event["type"]
    }
    assert rungs["q"] < LATE
    assert GRACE <= rungs["SIGTERM"] < GRACE + LATE
    assert 2 * GRACE <= rungs["SIGKILL"] < 2 * GRACE + LATE
    assert daemon.view(lasts)["status"] == "processing"
    assert_gapless(daemon)


def test_the_order_of_jobs_is_the_order_in_which_they_came(daemon: Daemon, clock: Callable[[int], None]) -> None:
    daemon.restart(slots=1)
    daemon.result("drain")
    jobs = []
    for shift in (0, DAY, -DAY):
        clock(shift)
        jobs.append(daemon.submit(quick(daemon.out / f"{new_id()}.mp4"))["id"])
    command_id, job = new_id(), quick(daemon.out / f"{new_id()}.mp4")
    last: Map = daemon.result("submit", id=command_id, job=job)["job"]
    jobs.append(last["id"])
    listed = [job["id"] for job in daemon.result("list", order="oldest", limit=1000)["jobs"]]
    assert listed[-4:] == jobs
    assert [job["id"] for job in daemon.result("list", limit=4)["jobs"]] == jobs[::-1]
    assert [job["id"] for job in daemon.result("list", order="queue")["jobs"]] == jobs
    clock(0)  # a day on
    with daemon.listener("daemon.heartbeat") as listener:
        listener.await_heartbeat()  # time for a sweep
    assert daemon.result("submit", id=command_id, job=job)["job"]["id"] == last["id"], "what was done is remembered"
    daemon.result("resume")
    assert [daemon.outcome(job_id)["status"] for job_id in jobs] == ["completed"] * 4
    started = [event["job_id"] for event in daemon.events() if event["type"] == "job.started"]
    assert started[-4:] == jobs


# ---------------------------------------------------------------- while none does


def test_a_clock_that_was_set_while_no_daemon_ran_expires_nothing_and_stops_no_child(
    daemon: Daemon, jump: Callable[[], None]
) -> None:
    ttl = 2.0
    name = new_id()
    long = daemon.finish(quick(daemon.out / f"{name}-long.mp4", ttl=3600))["id"]
    running = daemon.rendering(lasting(daemon.out / f"{name}-runs.mp4", timeout=600, stall_timeout=600))
    child = daemon.child(running)
    short = daemon.finish(quick(daemon.out / f"{name}-short.mp4", ttl=ttl))["id"]
    daemon.kill9()
    jump()
    daemon.start()
    assert daemon.child(running).ffmpeg.pid == child.ffmpeg.pid
    daemon.event(short, "expired")
    assert ttl - ROUNDING < between(daemon, short, "completed", "expired") < ttl + LATE
    view = daemon.view(running)
    assert (view["status"], view["attempts"]) == ("processing", 1)
    assert daemon.child(running).ffmpeg.pid == child.ffmpeg.pid
    assert daemon.view(long)["status"] == "completed"
    assert_gapless(daemon)


def test_a_wait_before_another_attempt_does_not_grow_by_a_clock_that_was_set(
    daemon: Daemon, jump: Callable[[], None]
) -> None:
    job_id = daemon.submit(tempered(quick(daemon.out / f"{new_id()}-x.mp4", max_attempts=2), "flaky"))["id"]
    daemon.event(job_id, "requeued")
    daemon.kill9()
    jump()
    daemon.start()
    eventually(lambda: daemon.view(job_id)["status"] == "completed", "it is tried again")
