"""The queue's order over the real store, against a model of it: a list that is sorted after each operation."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from actors.jobs import admit, changes, outcomes
from actors.jobs.admit import Admitted
from actors.jobs.ledger import Ledger, Settings
from actors.jobs.store import Store
from actors.jobs.turn import Cause, Turn
from actors.mail import RenderEnded
from bus import messages as m
from bus.errors import Conflict, Invalid
from bus.limits import MAX_PRIORITY, MIN_PRIORITY
from tests.integration.parts import IN_MEMORY

CAUSE = Cause("ada", "c")
priorities = st.integers(-2, 2) | st.sampled_from([MIN_PRIORITY, MAX_PRIORITY])


class Place(NamedTuple):
    """Where the model has a job: higher priorities first, then what was put in front last, then submit order."""

    priority: int
    front: int
    number: int

    def key(self) -> tuple[int, int, int]:
        return (-self.priority, -self.front, self.number)


class Death(Exception):
    """Of a Queue, in the middle of a turn."""


class QueueOrder(RuleBasedStateMachine):
    """Any sequence of commands, starts and ways back, one or several to a turn."""

    waiting = Bundle("waiting")
    running = Bundle("running")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=IN_MEMORY)
        self.store = Store(Path(self.folder.name))
        self.ledger = Ledger(self.store, Settings())
        self.model: dict[str, Place] = {}
        self.numbers: dict[str, int] = {}
        self.kept: dict[str, Place] = {}
        self.fronts = 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def turn(self, change: Callable[[Turn], Any]) -> Any:
        turn = Turn(self.store, self.ledger)
        with self.store.transaction():
            result = change(turn)
            turn.write()
        return result

    @property
    def expected(self) -> list[str]:
        """The ids of queued jobs as the model has them."""
        return sorted(self.model, key=lambda job_id: self.model[job_id].key())

    # ------------------------------------------------------------ operations

    def submit(self, priority: int) -> str:
        number = len(self.numbers) + 1
        command = self.command(number, priority)
        view = self.turn(lambda turn: changes.submit(turn, Admitted(command.job, admit.admit(command.job)), CAUSE)).job
        self.numbers[view.id] = number
        self.model[view.id] = Place(priority, 0, number)
        assert view.position == self.expected.index(view.id) + 1
        return str(view.id)

    def command(self, number: int, priority: int) -> m.Submit:
        output = m.Output(f"{self.folder.name}/{number}.mp4")
        source = m.Input("testsrc", ("-f", "lavfi"))
        return m.Submit(id="x", job=m.JobSpec(inputs=(source,), outputs=(output,), priority=priority))

    @initialize(target=waiting, priority=priorities)
    def first(self, priority: int) -> str:
        return self.submit(priority)

    @rule(target=waiting, priority=priorities)
    def another(self, priority: int) -> str:
        return self.submit(priority)

    def boost(self, job_id: str, **how: Any) -> None:
        command = m.Boost(id="x", job_id=job_id, **how)
        result = self.turn(lambda turn: changes.boost(turn, command, CAUSE))
        assert result.position == self.expected.index(job_id) + 1

    @rule(job_id=waiting, priority=priorities)
    def boost_to(self, job_id: str, priority: int) -> None:
        if job_id in self.model:
            self.model[job_id] = Place(priority, 0, self.numbers[job_id])
            self.boost(job_id, priority=priority)

    @rule(job_id=waiting, by=st.integers(-3, 3) | st.sampled_from([-2000, 2000]))
    def boost_by(self, job_id: str, by: int) -> None:
        if job_id not in self.model:
            return
        priority = self.model[job_id].priority + by
        if MIN_PRIORITY <= priority <= MAX_PRIORITY:
            self.model[job_id] = Place(priority, 0, self.numbers[job_id])
            self.boost(job_id, by=by)
        else:
            self.refused(Invalid, lambda turn: changes.boost(turn, m.Boost(id="x", job_id=job_id, by=by), CAUSE))

    @rule(job_id=waiting)
    def boost_to_the_front(self, job_id: str) -> None:
        if job_id not in self.model:
            return
        if self.expected[0] != job_id:
            self.fronts += 1
            self.model[job_id] = Place(self.model[self.expected[0]].priority, self.fronts, self.numbers[job_id])
        self.boost(job_id, front=True)
        assert self.expected[0] == job_id

    @rule(job_id=consumes(waiting))
    def cancel(self, job_id: str) -> None:
        if self.model.pop(job_id, None):
            self.turn(lambda turn: changes.cancel(turn, m.Cancel(id="x", job_id=job_id), CAUSE))

    @rule(target=running)
    def start_the_next(self) -> str:
        job = self.store.next_ready("cpu=1")
        assert (job.id if job else None) == (self.expected[0] if self.expected else None)
        if job is None:
            return ""
        self.turn(lambda turn: outcomes.start(turn, job))
        self.refused(Conflict, lambda turn: changes.boost(turn, m.Boost(id="x", job_id=job.id, front=True), CAUSE))
        self.kept[job.id] = self.model.pop(job.id)
        return job.id

    @rule(target=waiting, job_id=consumes(running), how=st.sampled_from(["lost", "stopped"]))
    def send_back(self, job_id: str, how: Any) -> str:
        """A job that goes back has the place it had."""
        if job_id:
            news = RenderEnded(job_id=job_id, run=self.run_of(job_id), index=0, how=how)
            self.turn(lambda turn: outcomes.ended(turn, news))
            self.model[job_id] = self.kept[job_id]
        return job_id

    @rule(target=waiting, job_id=consumes(running))
    def fail_and_retry(self, job_id: str) -> str:
        if job_id:
            why = m.ErrorView("bad_args", "why", retryable=False)
            news = RenderEnded(job_id=job_id, run=self.run_of(job_id), index=0, how="failed", error=why)
            self.turn(lambda turn: outcomes.ended(turn, news))
            view = self.turn(lambda turn: changes.retry(turn, m.Retry(id="x", job_id=job_id), CAUSE)).job
            self.model[job_id] = self.kept[job_id]
            assert view.position == self.expected.index(job_id) + 1
        return job_id

    @rule()
    def reopen(self) -> None:
        """A Queue that comes back counts what the last one counted."""
        before = vars(self.ledger).copy()
        self.open_anew()
        for name in ("seq", "number", "running", "draining", "front_rank"):
            assert vars(self.ledger)[name] == before[name]
        for name in ("statuses", "queued_at"):
            assert +vars(self.ledger)[name] == +before[name]

    @rule(priority=priorities)
    def die_in_the_middle_of_a_turn(self, priority: int) -> None:
        """What a turn had written when its Queue died is not there for the next: no job, no event, no count."""
        before = (self.store.records.last_seq(), self.store.last_number(), self.store.counts())

        def dies(turn: Turn) -> None:
            command = self.command(len(self.numbers) + 1, priority)
            changes.submit(turn, Admitted(command.job, admit.admit(command.job)), CAUSE)
            turn.write()
            raise Death

        with suppress(Death):
            self.turn(dies)
        self.open_anew()
        assert (self.store.records.last_seq(), self.store.last_number(), self.store.counts()) == before

    def open_anew(self) -> None:
        """Be the Queue that comes after."""
        self.store.close()
        self.store = Store(Path(self.folder.name))
        self.ledger = Ledger(self.store, Settings())

    def run_of(self, job_id: str) -> int:
        job = self.store.job(job_id)
        assert job is not None
        return job.runs

    def refused(self, kind: type[Exception], change: Callable[[Turn], Any]) -> None:
        """The change is refused, and its turn leaves nothing."""
        try:
            self.turn(change)
        except kind:
            return
        raise AssertionError(f"this was not refused with {kind.__name__}")

    # ------------------------------------------------------------ what always holds

    @invariant()
    def every_position_is_the_models(self) -> None:
        for place, job_id in enumerate(self.expected, start=1):
            job = self.store.job(job_id)
            assert job is not None
            assert self.store.position(job) == place
            assert self.ledger.last_position(job.priority) >= place

    @invariant()
    def the_ledger_counts_what_the_store_holds(self) -> None:
        assert +self.ledger.statuses == {status: count for status, count in self.store.counts().items() if count}
        assert +self.ledger.queued_at == self.store.places.by_priority()
        assert self.ledger.seq == self.store.records.last_seq()


QueueOrder.TestCase.settings = settings(deadline=None, max_examples=150, stateful_step_count=20)
TestQueueOrder = QueueOrder.TestCase
