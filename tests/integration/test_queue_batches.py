"""A turn takes what has piled up: each command once, none at another's cost, and all of it on disk or none."""

import sqlite3
from collections import Counter as Counts
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors import job_queue
from actors.base import JANITOR
from actors.jobs import database, waiters
from actors.jobs.database import FILE_NAME
from actors.jobs.sql import AT_ONCE
from actors.mail import (
    ActorRestarted,
    OutputCompleted,
    OutputStarted,
    RemoveFiles,
    RenderEnded,
    StartRender,
    SweepDue,
    Tick,
)
from bus.messages import ErrorView
from tests.integration.parts import Counter, facts
from tests.support.wire import Map, new_id

LONG = "x" * 200_000
"""More than fits the pages that the store has already."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite does not wait for a lock, and what could not be stored is soon tried again."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(job_queue, "RETRY_SECONDS", 0.01)


@contextmanager
def locked(counter: Counter) -> Iterator[None]:
    """An operator's shell writes to the store, and does not come to an end."""
    with closing(sqlite3.connect(counter.data / FILE_NAME, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def full(counter: Counter) -> Iterator[None]:
    """The disk has no room for one more page."""
    connection = counter.queue._store._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    yield
    connection.execute("PRAGMA max_page_count = 1000000")


Broken = Callable[[Counter], Any]
BROKEN = pytest.mark.parametrize("broken", [locked, full])


def spoil(counter: Counter, job_id: str) -> None:
    """Write a spec that nobody can read into the store, as no program of ours would."""
    with closing(sqlite3.connect(counter.data / FILE_NAME)) as connection, connection:
        connection.execute("UPDATE jobs SET spec = x'00' WHERE id = ?", (job_id,))


# ---------------------------------------------------------------- the same command again


def test_a_command_that_comes_twice_in_one_turn_is_done_once(counter: Counter) -> None:
    spec, command_id = counter.spec(), new_id()
    requests = [counter.request("submit", id=command_id, job=spec) for _ in range(2)]
    counter.turn(*requests)
    replies = [counter.client.receive() for _ in requests]
    assert replies[0] == replies[1]
    assert replies[0]["ok"]
    assert counter.result("status")["queued"] == 1


def test_a_command_that_comes_again_later_gets_its_first_reply(counter: Counter) -> None:
    spec, command_id = counter.spec(), new_id()
    first = counter.ask("submit", id=command_id, job=spec)
    counter.result("cancel", job_id=first["result"]["job"]["id"])
    events = counter.events()
    assert counter.ask("submit", id=command_id, job=spec) == first
    counter.reopen()
    assert counter.ask("submit", id=command_id, job=spec) == first
    assert counter.events() == events


def test_the_same_id_with_another_body_is_refused_and_the_first_still_holds(counter: Counter) -> None:
    command_id = new_id()
    first = counter.ask("submit", id=command_id, job=(spec := counter.spec()))
    assert counter.refusal("submit", id=command_id, job=counter.spec())["code"] == "id_reused"
    assert counter.refusal("drain", id=command_id)["code"] == "id_reused"
    assert counter.ask("submit", id=command_id, job=spec) == first
    assert counter.result("status")["queued"] == 1


def test_the_same_id_from_somebody_else_is_another_command(counter: Counter) -> None:
    command_id = new_id()
    mine = counter.request("submit", id=command_id, job=counter.spec())
    theirs = counter.request("submit", id=command_id, job=counter.spec())._replace(by="somebody else")
    counter.turn(mine, theirs)
    views = [counter.client.receive()["result"]["job"] for _ in range(2)]
    assert views[0]["id"] != views[1]["id"]
    assert views[1]["submitted_by"] == "somebody else"


def test_a_refusal_is_remembered_too(counter: Counter) -> None:
    spec, command_id = counter.spec(overwrite=False), new_id()
    blocker = Path(spec["outputs"][0]["path"])
    blocker.touch()
    first = counter.ask("submit", id=command_id, job=spec)
    assert first["error"]["code"] == "conflict"
    blocker.unlink()
    assert counter.ask("submit", id=command_id, job=spec) == first
    assert counter.ask("submit", job=spec)["ok"]


def test_a_refusal_that_says_to_try_again_is_not_remembered(counter: Counter) -> None:
    spec, command_id = counter.spec(), new_id()
    with locked(counter):
        assert counter.refusal("submit", id=command_id, job=spec)["code"] == "unavailable"
    assert counter.ask("submit", id=command_id, job=spec)["ok"]


@pytest.mark.parametrize("many", [1, AT_ONCE[1] - 1, AT_ONCE[0], sum(AT_ONCE) + 1])
def test_a_turn_of_any_size_is_stored_whole_and_remembered_whole(counter: Counter, many: int) -> None:
    requests = [counter.request("submit", job=counter.spec(2)) for _ in range(many)]
    counter.turn(*requests)
    replies = [counter.reply(request) for request in requests]
    ids = [reply["result"]["job"]["id"] for reply in replies]
    assert counter.queue_order() == ids
    assert [counter.view(job_id) for job_id in ids] == [reply["result"]["job"] for reply in replies]
    assert [event["job_id"] for event in counter.events() if event["type"] == "job.submitted"] == ids
    assert len(counter.audit()) == many
    counter.turn(*requests)
    assert [counter.reply(request) for request in requests] == replies
    assert counter.queue_order() == ids


def test_of_two_jobs_for_one_output_in_one_turn_the_second_is_refused(counter: Counter) -> None:
    spec = counter.spec()
    first, second = (counter.request("submit", job=spec) for _ in range(2))
    counter.turn(first, second)
    taken = counter.reply(first)["result"]["job"]
    assert counter.reply(second)["error"]["details"]["job"]["id"] == taken["id"]


def test_an_output_that_is_given_up_in_a_turn_can_be_taken_in_it(counter: Counter) -> None:
    spec = counter.spec()
    given_up = counter.result("submit", job=spec)["job"]
    cancel, submit = counter.request("cancel", job_id=given_up["id"]), counter.request("submit", job=spec)
    counter.turn(cancel, submit)
    assert counter.reply(cancel)["ok"]
    assert counter.queue_order() == [counter.reply(submit)["result"]["job"]["id"]]


def test_each_command_that_would_change_something_is_in_the_audit_once(counter: Counter) -> None:
    spec, command_id = counter.spec(), new_id()
    for _ in range(2):
        counter.ask("submit", id=command_id, job=spec)
    counter.ask("retry", job_id="nobody")
    counter.ask("status")
    assert counter.audit() == [("submit", "ok"), ("retry", "not_found")]


# ---------------------------------------------------------------- a defect


def test_a_command_that_shows_a_defect_is_refused_and_the_others_of_its_turn_are_not(counter: Counter) -> None:
    spoilt, whole = counter.submit()["id"], counter.submit()["id"]
    spoil(counter, spoilt)
    requests = [
        counter.request("submit", job=counter.spec()),
        counter.request("boost", job_id=spoilt, front=True),
        counter.request("cancel", job_id=whole),
    ]
    counter.turn(*requests)
    replies = [counter.reply(request) for request in requests]
    assert [reply["ok"] for reply in replies] == [True, False, True]
    assert replies[1]["error"]["code"] == "internal"
    assert counter.kinds(spoilt) == ["submitted"]
    assert [event["seq"] for event in counter.events()] == list(range(1, 6))


def test_after_a_defect_the_counts_are_those_of_the_store(counter: Counter) -> None:
    spoilt = counter.submit()["id"]
    spoil(counter, spoilt)
    requests = [counter.request("submit", job=counter.spec()), counter.request("boost", job_id=spoilt, by=1)]
    counter.turn(*requests)
    status = counter.result("status")
    assert (status["queued"], status["last_seq"]) == (2, len(counter.events()))
    assert counter.submit()["position"] == 3


def test_news_that_shows_a_defect_ends_the_queue_and_what_came_with_it_was_done(counter: Counter) -> None:
    before, after = (counter.request("submit", job=counter.spec()) for _ in range(2))
    asked = counter.request("status")
    with pytest.raises(IndexError):
        counter.turn(before, *broken_news(counter), after, asked)
    counter.queue.outbox.flush()
    assert counter.reply(before)["ok"]
    assert counter.reply(after)["ok"]
    assert counter.reply(asked)["result"]["queued"] == 2


def broken_news(counter: Counter) -> list[OutputStarted]:
    """A Render tells of an output that its job does not have."""
    counter.reopen(slots=1)
    counter.submit()
    order = counter.order()
    return [OutputStarted(job_id=order.job_id, run=order.run, index=99)]


# ---------------------------------------------------------------- the store cannot be written


def large(counter: Counter) -> Map:
    """A job that needs a page of its own."""
    return counter.spec(metadata={str(n): LONG[:1000] for n in range(60)})


def test_a_full_disk_takes_what_ends_jobs_and_refuses_the_rest(counter: Counter) -> None:
    job_id = counter.submit()["id"]
    with full(counter):
        refused, cancel = counter.request("submit", job=large(counter)), counter.request("cancel", job_id=job_id)
        counter.turn(refused, cancel)
        assert counter.reply(refused)["error"]["code"] == "unavailable"
        assert counter.reply(cancel)["result"]["job"]["status"] == "cancelled"
        assert not (counter.data / "reserve").exists(), "it was given up"
        assert counter.refusal("submit", job=large(counter))["code"] == "unavailable"
    assert counter.result("submit", job=counter.spec())["job"]["status"] == "queued"
    assert (counter.data / "reserve").exists()


def test_a_command_that_cannot_be_stored_is_refused_and_has_changed_nothing(counter: Counter) -> None:
    job_id = counter.submit(name="short")["id"]
    before = (counter.events(), counter.audit(), counter.view(job_id))
    with locked(counter):
        requests = [counter.request("cancel", job_id=job_id), counter.request("submit", job=large(counter))]
        counter.turn(*requests)
        assert {counter.reply(request)["error"]["code"] for request in requests} == {"unavailable"}
        assert counter.view(job_id)["status"] == "queued"
    assert (counter.events(), counter.audit(), counter.view(job_id)) == before
    assert counter.result("status")["counts"]["queued"] == 1
    assert counter.result("cancel", job_id=job_id)["changed"]
    assert [event["seq"] for event in counter.events()] == [1, 2, 3]


@BROKEN
def test_what_a_render_reported_meanwhile_is_kept_and_counts_once_it_can_be_stored(
    busy_counter: Counter, broken: Broken
) -> None:
    counter = busy_counter
    order = counter.start(outputs=2)
    with broken(counter):
        counter.turn(OutputCompleted(job_id=order.job_id, run=order.run, index=0, facts=facts()))
        counter.turn(long_failure(order))
        assert counter.view(order.job_id)["status"] == "processing"
    counter.turn(await_again(counter))
    view = counter.view(order.job_id)
    assert (view["status"], view["completed_outputs"]) == ("failed", 1)
    assert counter.kinds(order.job_id)[-2:] == ["output_completed", "failed"]


def test_what_is_reported_next_waits_for_what_is_kept_and_a_command_does_not(busy_counter: Counter) -> None:
    counter = busy_counter
    order = counter.start(outputs=2)
    with locked(counter):
        counter.turn(OutputCompleted(job_id=order.job_id, run=order.run, index=0, facts=facts()))
    counter.fail(order, index=1)
    assert counter.submit()["position"] == 1
    assert counter.view(order.job_id)["status"] == "processing"
    counter.turn(await_again(counter))
    assert counter.kinds(order.job_id)[-2:] == ["output_completed", "failed"]


@BROKEN
@pytest.mark.parametrize("too_many", [False, True], ids=["his patience is over", "too many wait"])
def test_one_who_only_asks_is_answered_in_time_though_nothing_can_be_stored(
    busy_counter: Counter, broken: Broken, monkeypatch: pytest.MonkeyPatch, too_many: bool
) -> None:
    counter = busy_counter
    order = counter.start()
    monkeypatch.setattr(waiters, "MAX_WAITERS", 0 if too_many else 1)
    held = counter.request("get", job_id=order.job_id, wait=3600 if too_many else 0.01)
    counter.turn(held)
    over = counter.tick()
    with broken(counter):
        counter.turn(long_failure(order), over)
        reply = counter.reply(held)
    assert reply["error"]["code"] == "busy" if too_many else reply["result"]["job"]["status"] == "processing"
    counter.turn(await_again(counter))
    assert counter.view(order.job_id)["status"] == "failed"
    assert counter.is_silent(), "and he is answered once"


@BROKEN
def test_nothing_is_said_of_what_could_not_be_stored(busy_counter: Counter, broken: Broken) -> None:
    counter = busy_counter
    order = counter.start()
    waiting = counter.submit()["id"]
    with broken(counter):
        counter.turn(long_failure(order))
        request = counter.request("status")
        counter.turn(request)
        assert counter.reply(request)["result"]["running"] == 1
    counter.turn(await_again(counter))
    assert counter.supervisor.mail(StartRender).job_id == waiting


def test_ticks_do_not_multiply_while_the_store_cannot_be_written(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn that fails goes through what is kept again; a tick among it must not set off another each time."""
    monkeypatch.setattr(job_queue, "RETRY_SECONDS", 600)
    with full(counter):
        counter.turn(ActorRestarted(address="archive", error=LONG))
        for _ in range(5):
            counter.turn(Tick(what="heartbeat"), SweepDue())
    counter.turn(Tick(what="again"))
    assert "daemon.actor_restarted" in [event["type"] for event in counter.events()]
    ticks = Counts(timer.what for timer in counter.watcher._timers)
    assert ticks["heartbeat"] <= 6, "one for the beginning, and one for each that came"
    assert ticks["again"] <= 1


def test_a_turn_that_fails_holds_no_reply_for_ever(counter: Counter) -> None:
    with locked(counter):
        refused = counter.refusal("submit", job=counter.spec(), wait=30)
    assert refused["code"] == "unavailable"
    assert list(counter.queue._desk._waiters.all()) == []


def test_a_sweep_that_fails_is_made_up_for_by_the_next(counter: Counter) -> None:
    job_id = counter.submit(ttl=0)["id"]
    counter.result("cancel", job_id=job_id)
    with locked(counter):
        counter.turn(SweepDue())
    counter.turn(SweepDue())
    assert counter.janitor.mail(RemoveFiles).job_id == job_id


def test_a_delete_that_is_only_tried_while_the_janitor_is_away_is_to_be_asked_again(counter: Counter) -> None:
    job_id = counter.submit()["id"]
    counter.switchboard.hub.unregister(JANITOR, counter.janitor)
    assert counter.refusal("delete", job_id=job_id, force=True, dry_run=True)["code"] == "busy"
    counter.switchboard.hub.register(JANITOR, counter.janitor)
    counter.turn(asked := counter.request("delete", job_id=job_id, force=True, dry_run=True))
    handed = counter.janitor.command()
    assert (handed.command, handed.envelope) == (asked.command, asked.envelope)


def long_failure(order: StartRender) -> RenderEnded:
    """A job failed, and there is more to say of it than fits a page."""
    why = ErrorView("unknown", LONG, retryable=False)
    return RenderEnded(job_id=order.job_id, run=order.run, index=order.pending[-1], how="failed", error=why)


def await_again(counter: Counter) -> Tick:
    """The tick with which what is kept is tried again."""
    tick = counter.tick()
    assert tick == Tick(what="again")
    return tick
