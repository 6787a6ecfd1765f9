"""PROTOCOL.md, rules of `boost`, and the order in which jobs run."""

from collections.abc import Iterator

import pytest

from tests.support.contract import JOB, check
from tests.support.daemon import Daemon, serving
from tests.support.jobs import lasting, quick
from tests.support.wire import Map


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    with serving(slots=1) as daemon:
        yield daemon


def submit(daemon: Daemon, name: str, priority: int = 0) -> str:
    return str(daemon.submit(quick(daemon.out / f"{name}.mp4", name=name, priority=priority))["id"])


def queue(daemon: Daemon) -> list[str]:
    """The names of the queued jobs as they will run."""
    jobs = daemon.result("list", order="queue")["jobs"]
    assert [job["position"] for job in jobs] == list(range(1, len(jobs) + 1))
    return [job["name"] for job in jobs]


def started_order(daemon: Daemon, since: int) -> list[str]:
    """The names of the jobs that were started, in order."""
    starts = [event["job_id"] for event in daemon.events(since=since) if event["type"] == "job.started"]
    return [daemon.view(job_id)["name"] for job_id in starts]


def test_higher_priority_stands_first_and_equal_ones_as_they_were_submitted(held: Daemon) -> None:
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 10), ("e", -3), ("f", 5)):
        submit(held, name, priority)
    assert queue(held) == ["d", "b", "f", "a", "c", "e"]


def test_jobs_run_in_the_order_of_the_queue_one_in_each_slot(held: Daemon) -> None:
    since = held.result("status")["last_seq"]
    names = [submit(held, f"run-{name}", priority) for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 9))]
    held.result("resume")
    for job_id in names:
        assert held.outcome(job_id)["status"] == "completed"
    assert started_order(held, since) == ["run-d", "run-b", "run-a", "run-c"]
    running = 0
    for event in held.events(since=since):
        running += {"job.started": 1, "job.completed": -1}.get(event["type"], 0)
        assert running <= 1


def test_as_many_jobs_run_at_once_as_there_are_slots(daemon: Daemon) -> None:
    first = daemon.underway(lasting(daemon.out / "slot-1.mp4"))
    second = daemon.submit(lasting(daemon.out / "slot-2.mp4"))["id"]
    status = daemon.result("status")
    assert (status["slots"], status["running"], status["queued"]) == (1, 1, 1)
    daemon.result("cancel", job_id=first)
    daemon.event(second, "started")


def test_boost_to_a_priority_moves_the_job(held: Daemon) -> None:
    *_, job_id = [submit(held, name) for name in ("pa", "pb", "pc")]
    result = held.result("boost", job_id=job_id, priority=7)
    check(result["job"], JOB)
    assert (result["position"], result["job"]["position"], result["job"]["priority"]) == (1, 1, 7)
    assert queue(held) == ["pc", "pa", "pb"]
    assert held.kinds(job_id) == ["submitted", "boosted"]


def test_boost_by_a_number_adds_it(held: Daemon) -> None:
    ids = [submit(held, name, priority) for name, priority in (("ba", 3), ("bb", 1), ("bc", 0))]
    assert held.result("boost", job_id=ids[2], by=2)["job"]["priority"] == 2
    assert queue(held) == ["ba", "bc", "bb"]
    result = held.result("boost", job_id=ids[0], by=-3)
    assert (result["job"]["priority"], result["position"]) == (0, 3)


def test_boost_to_the_front_puts_it_before_all_at_the_highest_priority(held: Daemon) -> None:
    submit(held, "fa", 4)
    submit(held, "fb", 4)
    last = submit(held, "fc", -10)
    result = held.result("boost", job_id=last, front=True)
    assert (result["position"], result["job"]["priority"]) == (1, 4)
    assert queue(held) == ["fc", "fa", "fb"]


def test_the_last_that_was_put_in_front_stands_first(held: Daemon) -> None:
    ids = [submit(held, name) for name in ("ga", "gb", "gc", "gd")]
    for job_id in (ids[2], ids[3]):
        held.result("boost", job_id=job_id, front=True)
    assert queue(held) == ["gd", "gc", "ga", "gb"]
    assert held.result("boost", job_id=ids[3], front=True)["position"] == 1
    assert queue(held) == ["gd", "gc", "ga", "gb"]


def test_a_job_at_the_same_priority_as_others_stands_where_it_was_submitted(held: Daemon) -> None:
    ids = [submit(held, name, priority) for name, priority in (("ha", 0), ("hb", 0), ("hc", 5))]
    held.result("boost", job_id=ids[0], priority=5)
    assert queue(held) == ["ha", "hc", "hb"]


def test_a_boosted_job_runs_earlier(held: Daemon) -> None:
    since = held.result("status")["last_seq"]
    ids = [submit(held, f"early-{name}") for name in "abc"]
    held.result("boost", job_id=ids[2], front=True)
    held.result("resume")
    for job_id in ids:
        held.outcome(job_id)
    assert started_order(held, since) == ["early-c", "early-a", "early-b"]


def test_only_a_queued_job_can_be_boosted(daemon: Daemon) -> None:
    processing = daemon.underway(lasting(daemon.out / "processing.mp4"))
    ways: list[Map] = [{"priority": 1}, {"by": 1}, {"front": True}]
    for way in ways:
        error = daemon.refusal("boost", job_id=processing, **way)
        assert error["code"] == "conflict"
        assert error["details"]["job"]["status"] == "processing"
    cancelled = daemon.result("cancel", job_id=processing, wait=30)["job"]
    completed = daemon.finish(quick(daemon.out / "completed.mp4"))
    for job in (cancelled, completed):
        error = daemon.refusal("boost", job_id=job["id"], front=True)
        assert error["code"] == "conflict"
        assert error["details"]["job"] == job


def test_positions_are_shown_of_queued_jobs_where_the_protocol_says(held: Daemon) -> None:
    first, second = submit(held, "ia"), submit(held, "ib")
    assert [held.view(job_id)["position"] for job_id in (first, second)] == [1, 2]
    assert [job["position"] for job in held.result("list", order="oldest", status=["queued"])["jobs"]] == [None] * 2
    held.result("resume")
    assert held.outcome(first)["position"] is None


def test_the_order_survives_the_daemons_death(daemon: Daemon) -> None:
    daemon.result("drain")
    ids = [submit(daemon, name, priority) for name, priority in (("ja", 0), ("jb", 5), ("jc", 0), ("jd", 5))]
    daemon.result("boost", job_id=ids[2], front=True)
    before = queue(daemon)
    daemon.restart()
    assert queue(daemon) == before == ["jc", "jb", "jd", "ja"]
