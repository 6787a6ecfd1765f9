"""What `bus.client` promises another Python process: each of these holds against a real daemon that dies."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bus.client import Client
from bus.errors import BadAddress, Conflict, IdReused, Invalid, NoDaemon, NotFound
from bus.messages import Event
from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.wire import PATIENCE


def seqs(events: list[Event]) -> list[int]:
    return [event.seq for event in events if event.seq is not None]


def ids_in(daemon: Daemon, session: str) -> list[str]:
    return [job["id"] for job in daemon.result("list", session=session)["jobs"]]


def test_a_job_is_submitted_waited_for_and_shown(daemon: Daemon) -> None:
    with Client(daemon.bus) as client:
        job = client.submit(quick(daemon.out / "a.mp4")).job
        done = client.wait(job.id, timeout=30)
        assert (done.status, done.outputs[0].width) == ("completed", 64)
        assert client.get(job.id).job == done
        assert client.log(job.id).text
        assert client.delete(job.id).removed == [str(daemon.out / "a.mp4")]


def test_each_refusal_is_an_exception_of_its_own(daemon: Daemon) -> None:
    with Client(daemon.bus) as client:
        with pytest.raises(NotFound):
            client.get("a" * 16)
        with pytest.raises(Invalid) as invalid:
            client.submit(quick(daemon.out / "missing" / "a.mp4"))
        assert invalid.value.details["path"] == "job.outputs[0].path"
        job = client.submit(quick(daemon.out / "b.mp4"), wait=30, command_id="mine").job
        with pytest.raises(Conflict) as conflict:
            client.cancel(job.id)
        assert conflict.value.details["job"]["id"] == job.id
        with pytest.raises(IdReused):
            client.submit(quick(daemon.out / "c.mp4"), command_id="mine")


def test_a_malformed_spec_is_refused_before_it_is_sent() -> None:
    with Client("ipc:///tmp/nobody-is-there", deadline=0.1) as client, pytest.raises(Invalid) as invalid:
        client.submit({"outputs": [{"path": 5}]})
    assert invalid.value.details["path"].endswith("path")


@pytest.mark.parametrize("bus", ["ipc:///tmp/nobody-is-there", "tcp://127.0.0.1:9"])
def test_where_nobody_answers_there_is_no_daemon(bus: str) -> None:
    with Client(bus, deadline=0.2) as client, pytest.raises(NoDaemon, match=bus):
        client.status()


def test_an_address_that_cannot_be_used_is_refused_at_once() -> None:
    with pytest.raises(BadAddress):
        Client("nonsense")


def test_waiting_longer_than_the_timeout_is_a_timeout(daemon: Daemon) -> None:
    with Client(daemon.bus) as client:
        job = client.submit(lasting(daemon.out / "long.mp4")).job
        with pytest.raises(TimeoutError):
            client.wait(job.id, timeout=0.2)


def test_the_events_come_in_order_without_a_gap_over_the_daemons_deaths(daemon: Daemon) -> None:
    first = daemon.result("status")["last_seq"]
    with Client(daemon.bus, deadline=10) as client, client.events(since=first) as stream:
        heard: list[Event] = []
        for number in range(2):
            job = client.submit(lasting(daemon.out / f"dies-{number}.mp4", 0.8)).job
            daemon.restart()
            while not (heard and heard[-1].type == "job.completed" and heard[-1].job_id == job.id):
                event = stream.next(30)
                assert event is not None
                heard.append(event)
        stored = client.events_page(first)
    assert seqs(heard) == list(range(first + 1, first + len(heard) + 1))
    assert heard == stored.events[: len(heard)]


def test_events_from_now_on_leave_out_what_was(daemon: Daemon) -> None:
    with Client(daemon.bus) as client:
        client.submit(quick(daemon.out / "before.mp4"), wait=30)
        with client.events() as stream:
            job = client.submit(quick(daemon.out / "after.mp4")).job
            event = stream.next(30)
            assert event is not None
            assert (event.type, event.job_id) == ("job.submitted", job.id)


def test_events_from_long_ago_are_all_given(daemon: Daemon) -> None:
    with Client(daemon.bus) as client:
        client.drain()
        for number in range(250):
            client.submit(quick(daemon.out / f"many-{number}.mp4"))
        last = client.status().last_seq
        with client.events(since=0) as stream:
            heard = [stream.next(30) for _ in range(last)]
    assert [event and event.seq for event in heard] == list(range(1, last + 1))


def test_progress_is_given_where_it_is_asked_for(daemon: Daemon) -> None:
    with Client(daemon.bus) as client, client.events(ephemeral=True) as stream:
        job = client.submit(lasting(daemon.out / "progress.mp4", 1.5)).job
        kinds = set()
        while "job.completed" not in kinds:
            event = stream.next(30)
            assert event is not None
            kinds.add(event.type)
        assert "job.progress" in kinds
        assert client.get(job.id).job.status == "completed"


def test_a_request_while_no_daemon_is_there_is_answered_by_the_next_one(daemon: Daemon) -> None:
    daemon.kill9()
    with Client(daemon.bus, deadline=30) as client:
        daemon.launch()
        assert client.submit(quick(daemon.out / "next.mp4"), wait=30).job.status == "completed"
    daemon.await_ready()


def test_requests_whose_answers_were_lost_are_sent_again_and_have_one_effect(daemon: Daemon) -> None:
    with (
        Client(daemon.bus, deadline=30) as submitter,
        Client(daemon.bus, deadline=30) as waiter,
        ThreadPoolExecutor(2) as pool,
    ):
        running = waiter.submit(lasting(daemon.out / "wait.mp4", 1.2)).job
        daemon.result("drain")
        submitted = pool.submit(submitter.submit, quick(daemon.out / "once.mp4", session="once"), wait=60)
        waited = pool.submit(waiter.wait, running.id, 60)
        job_id = eventually(lambda: ids_in(daemon, "once"), "the job is stored")[0]
        daemon.restart()
        daemon.result("resume")
        assert waited.result(60).status == "completed"
        job = submitted.result(60).job
        assert (job.id, job.status) == (job_id, "completed")
        assert ids_in(daemon, "once") == [job_id]


def test_a_request_that_was_given_up_on_is_not_done_later(daemon: Daemon) -> None:
    daemon.kill9()
    with Client(daemon.bus, deadline=0.2) as client:
        with pytest.raises(NoDaemon):
            client.submit(quick(daemon.out / "late.mp4", session="late"))
        daemon.start()

        def answered() -> bool:
            try:
                return client.status().pid == daemon.pid
            except NoDaemon:
                return False

        eventually(answered, "the client is connected again")
        assert ids_in(daemon, "late") == []


def test_two_clients_share_nothing(daemon: Daemon, tmp_path: Path) -> None:
    with Client(daemon.bus) as one:
        with Client(daemon.bus) as other:
            other.status()
        assert one.status().pid == daemon.pid


FORGETS = """
import asyncio, gc, sys
from bus.aio import AsyncClient
from bus.client import Client

def forget():
    client = Client(sys.argv[1])
    kept = [client, client.events(since=0), client.status()]
    kept.append(kept)

async def forget_async():
    client = AsyncClient(sys.argv[1])
    kept = [client, client.events(since=0), await client.status()]
    kept.append(kept)

forget()
asyncio.run(forget_async())
gc.collect()
print("went on")
"""
"""A program that closes nothing, and whose clients only the garbage collector finds."""


def test_a_client_that_was_never_closed_holds_up_nobody(daemon: Daemon) -> None:
    """In a process of its own: no signal ends the wait of ZeroMQ for a socket that nobody can close any more."""
    program = [sys.executable, "-c", FORGETS, daemon.bus]
    done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr, done.returncode) == ("went on\n", "", 0)


def test_every_job_is_listed_page_by_page(daemon: Daemon) -> None:
    with Client(daemon.bus) as client:
        client.drain()
        ids = {client.submit(quick(daemon.out / f"{n}.mp4", session="pages")).job.id for n in range(5)}
        assert {job.id for job in client.jobs(session="pages")} == ids
        first = client.boost(max(ids), front=True)
        assert (first.position, next(iter(client.jobs(order="queue"))).id) == (1, max(ids))
        assert client.cancel(max(ids), reason="enough").changed is True
        assert client.audit().entries[-1].type == "cancel"
        assert client.resume().draining is False
