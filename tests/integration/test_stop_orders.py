"""An ordered stop ends in time whatever does not, and no actor's death makes it forgotten."""

import queue
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pykka
import pytest

from actors import supervisor as supervisor_module
from actors.base import ARCHIVE, QUEUE, SUPERVISOR
from actors.jobs import shutdown
from actors.mail import ActorDied, BeginStop, QueueDone, StopBegun, StopRender, Tick
from actors.supervisor import Supervisor
from actors.watcher import Watcher
from tests.integration.parts import Counter, Letterbox, Switchboard
from tests.support.wire import PATIENCE

SIGTERM = BeginStop(signal="SIGTERM", by="ada")


class Standing(pykka.ThreadingActor):
    """An actor that only stands there."""

    use_daemon_thread = True


class Boss:
    """The real Supervisor; the test is the Queue, and dies as often as it likes."""

    def __init__(self, switchboard: Switchboard, stop_seconds: float = 3600.0) -> None:
        self.switchboard = switchboard
        self.started: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.finished: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.queue = switchboard.letterbox(QUEUE)
        self.watcher = Watcher(switchboard.hub, switchboard.failures.append)
        self.watcher.start()
        parts = {address: lambda address=address: self._start(address) for address in (QUEUE, ARCHIVE)}
        self._ref = Supervisor.start(
            switchboard.hub, self.watcher, parts, self._no_render, stop_seconds, self.finished.put
        )
        assert [self.started.get(timeout=PATIENCE) for _ in parts] == [QUEUE, ARCHIVE]

    def _start(self, address: str) -> pykka.ActorRef[Any]:
        self.started.put(address)
        return Standing.start()

    @staticmethod
    def _no_render(order: object) -> pykka.ActorRef[Any]:
        raise AssertionError(f"nothing is to be rendered: {order}")

    def tell(self, mail: Any) -> None:
        self.switchboard.mail(SUPERVISOR, mail)

    def kill_queue(self) -> None:
        """Say that the Queue died, and wait until there is another."""
        self.tell(ActorDied(address=QUEUE, error="because"))
        assert self.started.get(timeout=PATIENCE) == QUEUE

    def close(self) -> None:
        pykka.ActorRegistry.stop_all(timeout=PATIENCE)
        self.watcher.stop()


@pytest.fixture
def boss(switchboard: Switchboard) -> Iterator[Boss]:
    found = Boss(switchboard)
    yield found
    found.close()


# ---------------------------------------------------------------- a Queue that dies meanwhile


def test_a_signal_that_the_queue_had_not_noted_when_it_died_is_told_to_the_next(boss: Boss) -> None:
    boss.tell(SIGTERM)
    assert boss.queue.mail(BeginStop) == SIGTERM
    boss.kill_queue()
    assert boss.queue.mail(BeginStop) == SIGTERM


@pytest.mark.parametrize("mode", ["stop", "drain", "leave"])
def test_a_stop_that_the_queue_had_noted_when_it_died_goes_on_in_the_next(boss: Boss, mode: Any) -> None:
    boss.tell(StopBegun(mode=mode))
    for _ in range(2):
        boss.kill_queue()
        assert boss.queue.mail(StopBegun) == StopBegun(mode=mode)
    boss.tell(QueueDone())
    assert boss.finished.get(timeout=PATIENCE) == 0


def test_a_signal_that_comes_while_the_queue_is_being_repaired_is_told_to_the_next(
    boss: Boss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "FIRST_DELAY_SECONDS", 0.05)
    boss.kill_queue()
    boss.tell(ActorDied(address=QUEUE, error="again"))  # the second restart is put off
    boss.tell(SIGTERM)
    assert boss.started.get(timeout=PATIENCE) == QUEUE
    seen = [boss.queue.mail(BeginStop) for _ in range(2)]
    assert seen == [SIGTERM, SIGTERM], "once for the dead, once for the living"


def test_a_daemon_whose_queue_never_finishes_its_stop_ends_all_the_same(switchboard: Switchboard) -> None:
    with closing(Boss(switchboard, stop_seconds=-supervisor_module.STOP_MARGIN_SECONDS)) as boss:
        boss.tell(SIGTERM)
        assert boss.finished.get(timeout=PATIENCE) == 0


# ---------------------------------------------------------------- a child that cannot be ended


def ticks(counter: Counter) -> list[str]:
    """What the Queue's timers are for."""
    return [timer.what for timer in counter.watcher._timers if timer.address == QUEUE]


def render(counter: Counter, job_id: str) -> Letterbox:
    return counter.render(job_id)


def test_a_child_that_cannot_be_ended_in_time_is_left_to_the_next_daemon(busy_counter: Counter) -> None:
    order = busy_counter.start(max_attempts=1)
    box = render(busy_counter, order.job_id)
    waiting = busy_counter.request("get", job_id=order.job_id, wait=3600)
    busy_counter.turn(waiting)
    assert shutdown.OVERDUE not in ticks(busy_counter)
    busy_counter.turn(SIGTERM)
    assert box.mail(StopRender).why == "stop"
    assert shutdown.OVERDUE in ticks(busy_counter)
    assert busy_counter.view(order.job_id)["status"] == "processing"
    busy_counter.turn(Tick(what=shutdown.OVERDUE))
    busy_counter.supervisor.mail(QueueDone)
    assert busy_counter.reply(waiting)["result"]["job"]["status"] == "processing", "who waits is told"
    assert busy_counter.last(order.job_id)["type"] != "job.requeued", "it was not stopped, and nobody says so"
    busy_counter.reopen(slots=1)
    again = busy_counter.order()
    assert (again.job_id, again.run, again.stop) == (order.job_id, order.run, "stop"), "its stop is brought to an end"
    busy_counter.complete(again)
    view = busy_counter.view(order.job_id)
    assert (view["status"], view["attempts"]) == ("completed", 1)


def test_a_stop_whose_children_have_ended_is_not_overdue(two_slots: Counter) -> None:
    orders = [two_slots.start() for _ in range(2)]
    two_slots.turn(SIGTERM)
    for order in orders:
        two_slots.stopped(order)
    two_slots.supervisor.mail(QueueDone)
    two_slots.turn(Tick(what=shutdown.OVERDUE))
    assert two_slots.supervisor.is_empty(), "it is done once"


def test_a_leave_has_nothing_to_wait_for(busy_counter: Counter) -> None:
    order = busy_counter.start()
    box = render(busy_counter, order.job_id)
    busy_counter.result("shutdown", mode="leave")
    busy_counter.supervisor.mail(QueueDone)
    assert box.is_empty()
    assert shutdown.OVERDUE not in ticks(busy_counter)


def test_a_second_signal_hurries_every_child_and_not_one_of_a_leave(two_slots: Counter) -> None:
    boxes = [render(two_slots, two_slots.start().job_id) for _ in range(2)]
    two_slots.turn(SIGTERM)
    two_slots.turn(SIGTERM)
    for box in boxes:
        assert [box.mail(StopRender).hurry for _ in range(2)] == [False, True]


def test_a_signal_after_a_leave_stops_nothing(busy_counter: Counter) -> None:
    order = busy_counter.start()
    box = render(busy_counter, order.job_id)
    busy_counter.result("shutdown", mode="leave")
    busy_counter.turn(SIGTERM)
    assert busy_counter.is_silent()
    assert box.is_empty()
