"""Many that wait at once: what is kept for them is bounded, and let go of once they are answered."""

import pytest

from actors.jobs import waiters
from actors.jobs.desk import WAIT_OVER
from actors.mail import Tick
from actors.watcher import FORGOTTEN, Watcher
from tests.integration.parts import Counter, Switchboard


def timers(watcher: Watcher) -> int:
    return len(watcher._timers)


@pytest.fixture
def room_for_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiters, "MAX_WAITERS", 3)


def test_a_reply_that_is_given_takes_its_timer_along(counter: Counter) -> None:
    for _ in range(5):
        job_id = counter.submit()["id"]
        for _ in range(100):
            counter.turn(counter.request("get", job_id=job_id, wait=3600))
        counter.result("cancel", job_id=job_id)
        for _ in range(100):
            assert counter.client.receive()["result"]["job"]["status"] == "cancelled"
    assert timers(counter.watcher) <= FORGOTTEN + 10
    assert counter.queue._desk._timers == {}


def test_timers_that_are_cancelled_do_not_tick_and_others_do(switchboard: Switchboard) -> None:
    box = switchboard.letterbox("queue")
    watcher = Watcher(switchboard.hub, switchboard.failures.append)
    numbers = [watcher.after(0.0002 * number, "queue", str(number)) for number in range(1000)]
    for number in numbers[1::2]:
        watcher.cancel(number)
        watcher.cancel(number)  # a second time, or too late, is no matter
    watcher.start()
    assert [box.mail(Tick).what for _ in range(500)] == [str(number) for number in range(0, 1000, 2)]
    for number in numbers:
        watcher.cancel(number)
    watcher.stop()


def test_a_hundred_thousand_timers_that_are_cancelled_are_forgotten(switchboard: Switchboard) -> None:
    watcher = Watcher(switchboard.hub, switchboard.failures.append)
    watcher.start()
    watcher.after(3600, "queue", "kept")
    for _ in range(100_000):
        watcher.cancel(watcher.after(3600, "queue", "x"))
    assert timers(watcher) <= FORGOTTEN + 3
    watcher.stop()


@pytest.mark.usefixtures("room_for_three")
def test_a_get_that_waits_longest_where_too_many_do_is_told_busy(counter: Counter) -> None:
    job_id = counter.submit()["id"]
    requests = [counter.request("get", job_id=job_id, wait=3600) for _ in range(5)]
    counter.turn(*requests)
    for _ in range(2):
        counter.turn(counter.tick())
    refused = [counter.reply(request)["error"] for request in requests[:2]]
    assert [(one["code"], one["details"]) for one in refused] == [("busy", {"limit": waiters.MAX_WAITERS})] * 2
    counter.result("cancel", job_id=job_id)
    assert [counter.reply(request)["result"]["job"]["status"] for request in requests[2:]] == ["cancelled"] * 3


@pytest.mark.usefixtures("room_for_three")
def test_a_command_that_was_done_is_answered_as_it_stands_where_too_many_wait(counter: Counter) -> None:
    done = counter.request("submit", job=counter.spec(), wait=3600)
    counter.turn(done)
    job_id = counter.queue_order()[0]
    counter.turn(*[counter.request("get", job_id=job_id, wait=3600) for _ in range(3)])
    counter.turn(counter.tick())
    assert counter.reply(done)["result"]["job"]["status"] == "queued"


def test_a_tick_for_one_who_waited_for_an_earlier_queue_is_nobodys(counter: Counter) -> None:
    """A Queue that died had timers: what they say is not meant for whoever waits for the next."""
    job_id = counter.submit()["id"]
    counter.turn(counter.request("get", job_id=job_id, wait=3600))
    (of_before,) = (timer.what for timer in counter.watcher._timers if timer.what.startswith(WAIT_OVER))
    counter.reopen()
    counter.turn(counter.request("get", job_id=job_id, wait=3600))
    counter.turn(Tick(what=of_before))
    assert counter.is_silent()
