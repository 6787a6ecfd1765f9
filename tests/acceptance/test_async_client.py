"""What `bus.aio` promises: the same as `bus.client`, with many requests under way at once."""

import asyncio

import pytest

from bus.aio import AsyncClient
from bus.errors import Conflict, NoDaemon, NotFound
from bus.messages import Event
from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick
from tests.support.wire import PATIENCE


def test_many_jobs_are_submitted_at_once_and_each_is_waited_for(daemon: Daemon) -> None:
    async def all_of_them() -> None:
        async with AsyncClient(daemon.bus) as client:
            specs = [quick(daemon.out / f"{number}.mp4") for number in range(8)]
            submitted = await asyncio.gather(*map(client.submit, specs))
            done = await asyncio.gather(*(client.wait(one.job.id, timeout=60) for one in submitted))
            assert [job.id for job in done] == [one.job.id for one in submitted]
            assert {job.status for job in done} == {"completed"}

    asyncio.run(all_of_them())


def test_a_wait_does_not_hold_up_what_else_is_asked(daemon: Daemon) -> None:
    async def both() -> None:
        async with AsyncClient(daemon.bus) as client:
            job = (await client.submit(lasting(daemon.out / "long.mp4"))).job
            waiting = asyncio.create_task(client.wait(job.id))
            assert (await client.status()).pid == daemon.pid
            assert (await client.cancel(job.id)).changed is True
            assert (await waiting).status == "cancelled"

    asyncio.run(both())


def test_each_refusal_is_an_exception_of_its_own(daemon: Daemon) -> None:
    async def refused() -> None:
        async with AsyncClient(daemon.bus) as client:
            with pytest.raises(NotFound):
                await client.get("a" * 16)
            job = (await client.submit(quick(daemon.out / "done.mp4"), wait=30)).job
            with pytest.raises(Conflict):
                await client.retry(job.id)

    asyncio.run(refused())


def test_where_nobody_answers_there_is_no_daemon() -> None:
    async def alone() -> None:
        async with AsyncClient("ipc:///tmp/nobody-is-there", deadline=0.2) as client:
            with pytest.raises(NoDaemon):
                await client.status()

    asyncio.run(alone())


def test_a_request_that_was_given_up_on_is_not_done_later(daemon: Daemon) -> None:
    async def give_up() -> None:
        async with AsyncClient(daemon.bus, deadline=0.2) as client:
            daemon.kill9()
            patient = asyncio.create_task(
                client.submit(quick(daemon.out / "patient.mp4", session="late"), wait=PATIENCE)
            )
            with pytest.raises(NoDaemon):
                await client.submit(quick(daemon.out / "late.mp4", session="late"))
            daemon.start()
            job = (await patient).job
            assert job.status == "completed"
            assert [listed["id"] for listed in daemon.result("list", session="late")["jobs"]] == [job.id]

    asyncio.run(give_up())


def test_a_reply_is_read_though_the_daemon_has_ended_since(daemon: Daemon) -> None:
    async def shut_down() -> None:
        async with AsyncClient(daemon.bus, deadline=0.5) as client:
            reply = asyncio.create_task(client.shutdown())
            await asyncio.sleep(0)  # no wait: the task has its turn, and sends
            assert daemon.ended() == 0  # this thread has read nothing until here
            assert (await reply).mode == "stop"

    asyncio.run(shut_down())
    daemon.start()


def test_the_events_come_in_order_without_a_gap_over_the_daemons_death(daemon: Daemon) -> None:
    async def listen() -> None:
        async with AsyncClient(daemon.bus, deadline=30) as client:
            first = (await client.status()).last_seq
            job = (await client.submit(lasting(daemon.out / "dies.mp4", 1.5))).job
            heard: list[Event] = []
            async with client.events(since=first) as stream:
                async for event in stream:
                    heard.append(event)
                    if event.type == "job.output_started":
                        await asyncio.to_thread(daemon.restart)
                    if event.type == "job.completed":
                        break
                assert stream.epoch == (await client.status()).epoch
            assert [event.seq for event in heard] == list(range(first + 1, first + len(heard) + 1))
            assert heard == (await client.events_page(first)).events[: len(heard)]
            assert heard[-1].job_id == job.id

    asyncio.run(listen())
