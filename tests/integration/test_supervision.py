"""The whole daemon in this process, and an actor made to die: that is seen, logged and repaired, within a budget."""

import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event as Signal
from typing import Any

import pytest

from actors import logs
from actors.base import ADMISSION, ARCHIVE, JANITOR, QUEUE, SUPERVISOR, render_address
from actors.config import load
from actors.daemon import CannotStart, Daemon
from actors.ffmpeg.child import Child
from actors.jobs.database import FILE_NAME
from actors.supervisor import RESTARTS
from bus.client import Client
from bus.errors import NoDaemon
from bus.messages import Event, JobView
from tests.support.daemon import child_note
from tests.support.jobs import lasting, quick
from tests.support.ports import free_pair
from tests.support.processes import eventually
from tests.support.scrape import scrape_port
from tests.support.wire import PATIENCE, Map, new_id

NONSENSE = {"type": "Nonsense"}
"""Mail that no actor of ours understands: it dies of it."""


class Alive:
    """A daemon in a thread of this process, its client, and its events as they come."""

    def __init__(self, folder: Path, ffmpeg: Path) -> None:
        self.out = folder / "out"
        self.out.mkdir(exist_ok=True)
        self.data = folder / "data"
        self.metrics_port = free_pair()
        given = {"data": str(self.data), "bus": f"ipc://{folder}/bus", "slots": 2, "ffmpeg": str(ffmpeg), "grace": 20}
        given["metrics_port"] = self.metrics_port
        self.daemon = Daemon(load(given, environ={}))
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="main")
        self._status: Future[int] = self._pool.submit(self.daemon.run)
        self.client = Client(str(given["bus"]), deadline=PATIENCE)
        self._events = self.client.events(since=0)
        self.client.status()  # answered once all actors stand

    def kill(self, address: str) -> None:
        """Send an actor what it dies of."""
        eventually(lambda: address in self.daemon._hub.addresses(), f"{address} can be reached")
        outbox = self.daemon._hub.outbox()
        outbox.mail(address, NONSENSE)
        outbox.close()

    def event(self, kind: str, **data: Any) -> Event:
        """The next event of that kind."""
        while True:
            event = self._events.next(PATIENCE)
            assert event is not None, f"no {kind}"
            if event.type == kind and data.items() <= event.data.items():
                return event

    def status(self) -> int:
        """Its exit status, once it has ended."""
        return self._status.result(PATIENCE)

    def note(self, job_id: str) -> Map | None:
        """What is noted of the child of a job's first run, once it is."""
        record = self.data / "work" / job_id / "1-0/record"
        return eventually(lambda: child_note(record), "a note of the child")

    def close(self) -> None:
        if not self._status.done():
            self.client.shutdown()
        self._status.result(PATIENCE)
        self.client.close()
        self._pool.shutdown()


@pytest.fixture
def start(folder: Path, ffmpeg: Path) -> Iterator[Callable[[], Alive]]:
    with ExitStack() as stack:

        def start_one() -> Alive:
            alive = Alive(folder, ffmpeg)
            stack.callback(alive.close)
            return alive

        yield start_one


@pytest.fixture
def alive(start: Callable[[], Alive]) -> Alive:
    return start()


def rendering(alive: Alive, name: str, seconds: float) -> JobView:
    """A job whose FFmpeg runs, for so long."""
    job = alive.client.submit(lasting(alive.out / name, seconds)).job
    alive.event("job.output_started")
    return job


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What the daemon has logged: all lines that come before one of the test's own."""
    mark, text = new_id(), ""
    logs.logger(actor="test").info("daemon_ready", mark=mark)

    def look() -> bool:
        nonlocal text
        text += capsys.readouterr().err
        return mark in text and text.endswith("\n")

    eventually(look, "the log is written")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("address", [ADMISSION, ARCHIVE, JANITOR, QUEUE])
def test_an_actor_that_dies_is_started_again_and_told_of(
    alive: Alive, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    alive.kill(address)
    event = alive.event("daemon.actor_restarted")
    assert event.data["address"] == address
    assert "Nonsense" in event.data["error"]
    assert alive.client.submit(quick(alive.out / "a.mp4"), wait=PATIENCE).job.status == "completed"
    assert alive.client.list().jobs[0].status == "completed"
    lines = {line["event"]: line for line in logged(capsys)}
    assert lines["actor_died"]["actor"] == address
    assert "Traceback" in lines["actor_died"]["traceback"]
    assert (lines["actor_restarted"]["address"], lines["actor_restarted"]["restarts"]) == (address, 1)
    found = scrape_port(alive.metrics_port)
    assert found.by("rushes_actor_restarts_total", "actor") == {address: 1}
    assert found("rushes_jobs_ended_total", status="completed") == found("rushes_jobs", status="completed") == 1


UNBROKEN = ["submitted", "started", "output_started", "cancelling", "signalled", "cancelled"]
"""What happens to a job that is cancelled, and to nobody's child that had to be started again."""


def kinds(alive: Alive, job: JobView) -> list[str]:
    return [event.type.removeprefix("job.") for event in alive.client.events_page(job_id=job.id).events]


def test_a_render_that_dies_costs_no_minute_of_encoding(alive: Alive) -> None:
    job = rendering(alive, "a.mp4", 600)
    note = alive.note(job.id)
    alive.kill(render_address(job.id))
    assert alive.event("daemon.actor_restarted").data["address"] == render_address(job.id)
    view = alive.client.cancel(job.id, wait=PATIENCE).job
    assert (view.status, view.attempts, kinds(alive, job)) == ("cancelled", 1, UNBROKEN)
    assert alive.note(job.id) == note
    assert list(alive.out.iterdir()) == []
    found = scrape_port(alive.metrics_port)
    assert found.by("rushes_actor_restarts_total", "actor") == {"render": 1}
    assert found("rushes_children_adopted_total") == 1


def test_a_queue_that_dies_costs_no_minute_of_encoding(alive: Alive) -> None:
    jobs = [rendering(alive, name, 600) for name in ("a.mp4", "b.mp4")]
    notes = [alive.note(job.id) for job in jobs]
    alive.kill(QUEUE)
    alive.event("daemon.actor_restarted")
    views = [alive.client.cancel(job.id, wait=PATIENCE).job for job in jobs]
    assert [(view.status, view.attempts) for view in views] == [("cancelled", 1)] * 2
    assert [kinds(alive, job) for job in jobs] == [UNBROKEN] * 2
    assert [alive.note(job.id) for job in jobs] == notes


def test_a_job_of_which_two_renders_die_fails_and_the_daemon_lives(alive: Alive) -> None:
    job = rendering(alive, "a.mp4", 600)
    for _ in range(2):
        alive.kill(render_address(job.id))
        alive.event("daemon.actor_restarted")
    view = alive.client.wait(job.id, PATIENCE)
    assert view.status == "failed"
    assert view.error is not None
    assert view.error.code == "internal"
    assert list(alive.out.iterdir()) == []
    assert alive.client.submit(quick(alive.out / "b.mp4"), wait=PATIENCE).job.status == "completed"


def test_a_job_whose_renders_die_before_there_is_a_child_fails_and_the_daemon_lives(
    alive: Alive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is there to be adopted, so each Render belongs to another run: the deaths are counted all the same."""

    def a_defect(*_: object) -> Child:
        raise RuntimeError("a defect of ours")

    with monkeypatch.context() as defective:
        defective.setattr(Child, "spawn", a_defect)
        view = alive.client.submit(quick(alive.out / "a.mp4"), wait=PATIENCE).job
    assert view.error is not None, view.status
    assert (view.status, view.error.code) == ("failed", "internal")
    assert list(alive.out.iterdir()) == []
    assert alive.client.submit(quick(alive.out / "b.mp4"), wait=PATIENCE).job.status == "completed"


def test_the_history_has_no_gap_whoever_dies(alive: Alive) -> None:
    for address in (QUEUE, ARCHIVE, QUEUE):
        alive.kill(address)
        alive.event("daemon.actor_restarted")
    seqs = [event.seq for event in alive.client.events_page().events]
    assert seqs == list(range(1, len(seqs) + 1))


# ---------------------------------------------------------------- beyond the budget


def test_one_death_too_many_ends_the_daemon_and_its_children_are_left_to_the_next(
    start: Callable[[], Alive], capsys: pytest.CaptureFixture[str]
) -> None:
    alive = start()
    job = rendering(alive, "a.mp4", 2)
    note = alive.note(job.id)
    for _ in range(RESTARTS):
        alive.kill(ARCHIVE)
        alive.event("daemon.actor_restarted")
    alive.kill(ARCHIVE)
    assert alive.status() == 1
    assert "restart_budget_spent" in [line["event"] for line in logged(capsys)]
    successor = start()
    view = successor.client.wait(job.id, PATIENCE)
    assert (view.status, view.attempts) == ("completed", 1)
    assert successor.note(job.id) == note


def test_an_actor_that_cannot_be_started_again_ends_the_daemon(alive: Alive) -> None:
    """The Archive finds no store any more, dies at its start, again and again."""
    assert alive.client.status().running == 0
    (alive.data / FILE_NAME).rename(alive.data / "moved")
    alive.kill(ARCHIVE)
    assert alive.status() == 1


def test_without_a_supervisor_the_daemon_ends(alive: Alive) -> None:
    alive.kill(SUPERVISOR)
    assert alive.status() == 1


def test_without_a_watcher_the_daemon_ends(alive: Alive) -> None:
    alive.daemon._watcher._epoll.close()
    alive.daemon._watcher.after(0, QUEUE, "x")
    assert alive.status() == 1


# ---------------------------------------------------------------- the ordered end


def test_an_ordered_end_is_0_and_nobody_answers_any_more(alive: Alive) -> None:
    alive.client.shutdown()
    assert alive.status() == 0
    impatient = Client(alive.client.address, deadline=0.1)
    with impatient, pytest.raises(NoDaemon):
        impatient.status()


def test_the_folder_is_free_again_after_the_end_and_not_before(start: Callable[[], Alive]) -> None:
    first = start()
    with pytest.raises(CannotStart, match="another daemon"):
        start()
    first.client.shutdown()
    assert first.status() == 0
    assert start().client.status().counts["queued"] == 0


def test_a_disk_that_does_not_answer_holds_up_nothing_but_the_submits_for_it(
    alive: Alive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead network mount, as far as a test can have one: the trial file in one folder takes as long as it likes."""
    held, release, trial = Signal(), Signal(), tempfile.TemporaryFile

    def hang(*args: Any, **options: Any) -> Any:
        if str(options["dir"]).endswith("dead"):
            held.set()
            assert release.wait(PATIENCE)
        return trial(*args, **options)

    running = rendering(alive, "running.mp4", 600)
    (alive.out / "dead").mkdir()
    monkeypatch.setattr(tempfile, "TemporaryFile", hang)
    with ThreadPoolExecutor(1) as pool, Client(alive.client.address, deadline=PATIENCE) as other:
        submitted = pool.submit(other.submit, quick(alive.out / "dead" / "a.mp4"))
        try:
            assert held.wait(PATIENCE)
            assert alive.client.status().running == 1
            assert alive.client.cancel(running.id, wait=PATIENCE).job.status == "cancelled"
            assert not submitted.done()
        finally:
            release.set()
        assert submitted.result(PATIENCE).job.status == "queued"
