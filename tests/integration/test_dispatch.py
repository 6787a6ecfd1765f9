"""Who gets a slot, by the Queue's own turns over a real store: in which order, and at what price where nobody can."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.jobs import changes, dispatch
from actors.jobs.admit import Admitted
from actors.jobs.ledger import Ledger, Settings
from actors.jobs.model import Job, Output
from actors.jobs.slots import MAX_SHAPES
from actors.jobs.store import Store
from actors.jobs.turn import NOBODY, Turn
from bus import messages as m
from bus.errors import Conflict

WORK = "/work"

FEW = 12
"""Statements that a turn may cost, however many shapes there are: one for the counts, one for the shapes."""


class Queue:
    """A store and what is known of it; each change is a turn."""

    def __init__(self, folder: Path, **slots: int) -> None:
        self.store = Store(folder)
        self.ledger = Ledger(self.store, Settings(slots))
        self._names = itertools.count()

    def submit_all(self, *needs: dict[str, int]) -> None:
        """All in one turn."""
        with self.store.transaction():
            turn = Turn(self.store, self.ledger)
            for need in needs:
                changes.submit(turn, self._admitted(0, "/out", need), NOBODY)
            turn.write()

    def _admitted(self, priority: int, folder: str, resources: dict[str, int]) -> Admitted:
        path = f"{folder}/{next(self._names)}.mp4"
        spec = m.JobSpec(
            inputs=(m.Input("/in.mov"),), outputs=(m.Output(path),), priority=priority, resources=resources or None
        )
        return Admitted(spec, [Output(index=0, path=path, target=path, name=None)])

    def submit(self, priority: int = 0, folder: str = "/out", **resources: int) -> str:
        admitted = self._admitted(priority, folder, resources)
        with self.store.transaction():
            turn = Turn(self.store, self.ledger)
            result = changes.submit(turn, admitted, NOBODY)
            turn.write()
        return result.job.id

    def roll_back(self) -> None:
        """Forget the turn that was not to be."""
        slots = self.ledger.slots
        self.ledger.reload(self.store)
        self.ledger.slots = slots

    def cancel(self, job_id: str) -> None:
        with self.store.transaction():
            turn = Turn(self.store, self.ledger)
            changes.cancel(turn, m.Cancel(id="cancel", job_id=job_id), NOBODY)
            turn.write()

    def fill(self) -> list[str]:
        """The ids of those that were started, in order."""
        with self.store.transaction():
            turn = Turn(self.store, self.ledger)
            dispatch.fill(turn, WORK)
            turn.write()
        return [message.job_id for _, message in turn.mails]  # type: ignore[attr-defined] # all are orders

    def job(self, job_id: str) -> Job:
        job = self.store.job(job_id)
        assert job is not None
        return job


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    found = Queue(tmp_path, cpu=2, nvenc=64)
    yield found
    found.store.close()


def test_jobs_of_all_shapes_start_in_the_order_of_the_queue(queue: Queue) -> None:
    ids = [queue.submit(nvenc=1), queue.submit(priority=1, cpu=1), queue.submit(priority=2, nvenc=2), queue.submit()]
    assert queue.fill() == [ids[2], ids[1], ids[0], ids[3]]


def test_whoever_comes_after_one_that_was_put_aside_has_a_place_of_its_own(queue: Queue) -> None:
    queue.ledger.low_folders.add("/full")
    aside = queue.submit(priority=5, folder="/full")
    last = queue.submit()
    large = queue.submit(priority=3, cpu=2)
    assert queue.fill() == [large]
    assert (queue.job(aside).low_folder, queue.job(last).status) == ("/full", "queued")


@pytest.mark.parametrize("large", [False, True], ids=["full", "kept"])
def test_a_turn_in_which_nobody_can_start_reads_no_job_however_many_shapes_there_are(queue: Queue, large: bool) -> None:
    started = [queue.submit() for _ in range(1 if large else 2)]
    assert queue.fill() == started
    for nvenc in range(1, 65):
        queue.submit(cpu=2 if large and nvenc == 1 else 1, nvenc=nvenc)
    statements: list[str] = []
    queue.store._connection.set_trace_callback(statements.append)
    assert queue.fill() == []
    assert [one for one in statements if "FROM outputs" in one] == []
    assert large or len(statements) <= FEW


def test_a_job_unlike_all_that_wait_is_refused_where_these_are_too_unlike_each_other(queue: Queue) -> None:
    queue.ledger.slots = {"cpu": 32, "nvenc": 33}
    needs = [{"cpu": cpu, "nvenc": nvenc} for nvenc in range(1, 33) for cpu in range(1, 33)]
    assert len(needs) == MAX_SHAPES
    with pytest.raises(Conflict, match="1024 different sets") as within_a_turn:
        queue.submit_all(*needs, {"nvenc": 33})
    assert within_a_turn.value.details["path"] == "job.resources"
    queue.roll_back()
    queue.submit_all(*needs[1:])
    first = queue.submit(cpu=1, nvenc=1)
    with pytest.raises(Conflict, match="nvenc=33 would be one more"):
        queue.submit(nvenc=33)
    queue.roll_back()
    queue.submit_all(needs[-1])
    queue.cancel(first)
    queue.submit(nvenc=33)
    queue.submit_all({})  # what a job takes that does not say is no further set
