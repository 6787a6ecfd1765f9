"""PROTOCOL.md, `estimate` in `why`, by the Queue's real turns: what it is reckoned from, and that none is absurd."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from actors.jobs import estimate
from actors.jobs.database import FILE_NAME
from actors.mail import OutputStarted, StartRender
from tests.integration.parts import Counter
from tests.support.wire import Map

LONG_AGO, LATER = "0001-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"
"""Where a wall clock may have stood when a job started."""

SOON = pytest.approx(0, abs=60)
"""All times here are in thousands of seconds, but for what a busy machine takes to run a test."""


@pytest.fixture
def mixed(folder: Path) -> Iterator[Counter]:
    """A Queue with two slots of one kind, and one of another."""
    found = Counter(folder, slots=2, nvenc=1)
    yield found
    found.close()


def moment(at: str) -> datetime:
    return datetime.fromisoformat(at)


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def estimate_of(counter: Counter, job_id: str) -> Map:
    found: Map = counter.result("why", job_id=job_id)["estimate"]
    return found


def seconds(counter: Counter, job_id: str, of: str) -> float:
    """How far a job's estimated `start` or `end` is from now on."""
    at = moment(estimate_of(counter, job_id)[of])
    return (at - datetime.now(at.tzinfo)).total_seconds()


def set_back(counter: Counter, order: StartRender, started_at: str) -> None:
    """Let a job, and its outputs that have begun, have begun then."""
    with closing(sqlite3.connect(counter.data / FILE_NAME)) as store, store:
        job = "(SELECT number FROM jobs WHERE id = ?)"
        store.execute("UPDATE jobs SET started_at = ? WHERE id = ?", (started_at, order.job_id))
        store.execute(
            f"UPDATE outputs SET started_at = ? WHERE started_at IS NOT NULL AND job = {job}",
            (started_at, order.job_id),
        )


def took(counter: Counter, order: StartRender, started_at: str | None = None, *, of: float = 0) -> None:
    """Complete a job, which began then or took so many seconds."""
    counter.complete(order)
    ended = moment(counter.view(order.job_id)["finished_at"])
    set_back(counter, order, started_at or written(ended - timedelta(seconds=of)))


# ---------------------------------------------------------------- one that runs


def test_outputs_to_come_are_reckoned_as_the_one_that_is_made_whatever_the_first_took(busy_counter: Counter) -> None:
    order = busy_counter.start(3)
    busy_counter.complete(order)  # at once: a third of the job is done, which says nothing of the rest
    busy_counter.turn(OutputStarted(job_id=order.job_id, run=order.run, index=1))
    busy_counter.advance(order, 0.25, 3000, index=1)
    assert seconds(busy_counter, order.job_id, "end") - 7000 == SOON  # what is left of this one, and a whole one
    assert estimate_of(busy_counter, order.job_id)["basis"] == (
        "its own pace: 41% done, each output to come reckoned as this one"
    )


def test_an_output_that_is_almost_done_still_tells_what_the_next_may_take(busy_counter: Counter) -> None:
    order = busy_counter.start(2)
    busy_counter.advance(order, 0.999, 0)
    now = moment(busy_counter.view(order.job_id)["created_at"])
    set_back(busy_counter, order, written(now - timedelta(seconds=5000)))
    assert seconds(busy_counter, order.job_id, "end") - 5000 == SOON


def test_only_the_time_of_the_output_that_is_made_is_taken_off_what_is_usual(busy_counter: Counter) -> None:
    took(busy_counter, busy_counter.start(), of=1000)
    order = busy_counter.start(2)
    long_ago = moment(busy_counter.view(order.job_id)["created_at"]) - timedelta(seconds=9000)
    busy_counter.complete(order)
    set_back(busy_counter, order, written(long_ago))
    busy_counter.turn(OutputStarted(job_id=order.job_id, run=order.run, index=1))
    assert seconds(busy_counter, order.job_id, "end") - 1000 == SOON


def test_a_length_that_is_not_known_yet_is_estimated_as_what_is_usual(busy_counter: Counter) -> None:
    took(busy_counter, busy_counter.start(), of=7200)
    order = busy_counter.start()
    assert seconds(busy_counter, order.job_id, "end") - 7200 == SOON
    assert estimate_of(busy_counter, order.job_id)["basis"] == "the last job to complete took 2.0 h an output"


# ---------------------------------------------------------------- one that waits


def test_those_before_it_are_reckoned_as_what_ran_here_and_not_as_itself(busy_counter: Counter) -> None:
    took(busy_counter, busy_counter.start(), of=1000)
    busy_counter.start()
    busy_counter.submit()
    job_id = busy_counter.submit(4)["id"]
    assert seconds(busy_counter, job_id, "start") - 2000 == SOON  # one runs, one is before it
    assert seconds(busy_counter, job_id, "end") - 6000 == SOON
    assert estimate_of(busy_counter, job_id)["basis"] == "the last job to complete took 17 min an output"


def test_who_takes_other_resources_is_not_waited_for(mixed: Counter) -> None:
    took(mixed, mixed.start(), of=1000)
    runs = mixed.start(resources={"nvenc": 1})
    mixed.advance(runs, 0.5, 300)
    mixed.advance(mixed.start(resources={"cpu": 2}), 0.5, 8000)
    for _ in range(3):
        mixed.submit()
    assert seconds(mixed, mixed.submit(resources={"nvenc": 1})["id"], "start") - 300 == SOON


def test_a_large_job_waits_for_all_that_run_and_a_small_one_for_the_large_one(mixed: Counter) -> None:
    took(mixed, mixed.start(), of=1000)
    mixed.advance(mixed.start(), 0.5, 3000)
    mixed.advance(mixed.start(), 0.5, 200)
    large, small = mixed.submit(resources={"cpu": 2})["id"], mixed.submit()["id"]
    assert seconds(mixed, large, "start") - 3000 == SOON
    assert seconds(mixed, small, "start") - 4000 == SOON


def test_what_is_held_takes_no_time_of_those_behind_it(mixed: Counter) -> None:
    took(mixed, mixed.start(), of=1000)
    held = mixed.start()
    mixed.hold(held)
    mixed.advance(mixed.start(), 0.5, 500)
    mixed.result("pause", job_id=mixed.submit()["id"])
    assert seconds(mixed, mixed.submit()["id"], "start") - 500 == SOON
    assert estimate_of(mixed, mixed.submit(resources={"cpu": 2})["id"]) is None  # nobody knows for how long


def test_behind_more_than_are_looked_at_it_is_as_long_again(
    busy_counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    took(busy_counter, busy_counter.start(), of=1000)
    busy_counter.advance(busy_counter.start(), 0.5, 0)
    job_id = [busy_counter.submit()["id"] for _ in range(9)][-1]
    exactly = seconds(busy_counter, job_id, "start")
    monkeypatch.setattr(estimate, "LOOK_AHEAD", 2)
    assert exactly - 8000 == SOON
    assert seconds(busy_counter, job_id, "start") - exactly == SOON


@pytest.mark.parametrize("started_at", [LONG_AGO, LATER])
def test_a_wall_clock_that_was_set_makes_no_absurd_estimate(busy_counter: Counter, started_at: str) -> None:
    took(busy_counter, busy_counter.start(), started_at)
    running = busy_counter.start(8)
    for job_id in (running.job_id, busy_counter.submit(8)["id"]):
        assert busy_counter.result("why", job_id=job_id)["estimate"] is None
