"""`rushes top` while its daemon dies, comes back, or has another store; and where there is no screen."""

import asyncio
import signal
from collections.abc import Callable

import pytest
import zmq

from bus.codec import Undecodable
from cli.top import link
from cli.top.app import Top
from tests.support.contract import JOB, check
from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick
from tests.support.ports import free_pair
from tests.support.screen import Screen, watching
from tests.support.shell import WRONG_USAGE, Shell
from tests.support.wire import sockets_of


def test_a_daemon_that_is_killed_is_told_of_and_all_is_right_once_it_is_back(daemon: Daemon) -> None:
    running = daemon.rendering(lasting(daemon.out / "outlives.mp4", 60))
    daemon.result("drain")
    waiting = daemon.submit(quick(daemon.out / "waits.mp4"))["id"]

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await screen.choose(waiting)
            daemon.kill9()
            await screen.reads("No daemon answers since", "below is how it stood then")
            await screen.reads(waiting[:8], "1", "waits.mp4")
            await screen.press("f")
            await screen.reads("no daemon answers at", "nothing was sent")
            await asyncio.to_thread(daemon.start)
            await screen.until(lambda: "No daemon" not in screen.text, "it is told that it is back")
            await screen.reads(f"pid {daemon.pid}")
            done = daemon.submit(quick(daemon.out / "after.mp4"))["id"]
            daemon.result("cancel", job_id=running)
            daemon.result("resume")
            await screen.reads(running[:8], "cancelled")
            await screen.reads(waiting[:8], "completed")
            await screen.reads(done[:8], "completed")
            chosen = screen.app.chosen
            assert chosen is not None
            assert chosen.id == waiting
            await screen.reads("0/2 slots", "0 queued")

    asyncio.run(play())


def test_what_is_typed_outlives_the_daemon(held: Daemon) -> None:
    job_id = held.submit(quick(held.out / "typed.mp4"))["id"]

    async def play() -> None:
        async with watching(held.bus) as screen:
            await screen.choose(job_id)
            await screen.press("c")
            await screen.reads("Cancel Job?")
            await screen.type("wrong LUT")
            held.kill9()
            await screen.until(lambda: screen.app.model.silent_since, "the daemon is known to be gone")
            await screen.press("enter")
            await screen.reads("no daemon answers at")
            await screen.reads("wrong LUT")
            await asyncio.to_thread(held.start)
            await screen.until(lambda: screen.app.model.silent_since is None, "it is known to be back")
            await screen.press("enter")
            await screen.until(lambda: not screen.asks, "the dialog is closed")

    asyncio.run(play())
    assert held.view(job_id)["cancel"]["reason"] == "wrong LUT"


def test_a_daemon_that_hangs_is_told_of_and_a_question_to_it_ends(held: Daemon) -> None:
    job_id = held.submit(quick(held.out / "hangs.mp4"))["id"]

    async def play() -> None:
        async with watching(held.bus) as screen:
            await screen.choose(job_id)
            held.signal(signal.SIGSTOP)
            try:
                await screen.press("f")
                await screen.reads("no daemon answered at", "within 5 s")
                await screen.reads("No daemon answers since")
            finally:
                held.signal(signal.SIGCONT)
            await screen.until(lambda: "No daemon answers" not in screen.text, "it is told that it is back")

    asyncio.run(play())


def test_another_store_begins_anew(daemon: Daemon) -> None:
    for name in ("of", "the", "old"):
        daemon.finish(quick(daemon.out / f"{name}.mp4"))

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await screen.reads("completed", "the.mp4")
            daemon.kill9()
            for path in daemon.data.glob("rushes.sqlite3*"):
                path.unlink()
            await asyncio.to_thread(daemon.start)
            new = daemon.finish(quick(daemon.out / "new.mp4"))["id"]
            await screen.reads(new[:8], "completed", "new.mp4")
            await screen.until(lambda: "the.mp4" not in screen.text, "the old store is forgotten")
            await screen.reads("ENDED", "1 completed, 0 failed, 0 cancelled")

    asyncio.run(play())


def test_whatever_happens_counts_and_queue_are_those_of_the_daemon(daemon: Daemon) -> None:
    daemon.result("drain")

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            jobs = [daemon.submit(quick(daemon.out / f"n{number}.mp4"))["id"] for number in range(60)]
            for job_id in jobs[:20]:
                daemon.result("cancel", job_id=job_id)
            for job_id in jobs[20:30]:
                daemon.result("delete", job_id=job_id, force=True, wait=30)
            last = daemon.result("status")["last_seq"]
            await screen.until(lambda: screen.app.model.seen >= last, "all events are heard")
            now = daemon.result("status")["counts"]
            assert {status: screen.app.model.counts[status] for status in now} == now
            await screen.until(lambda: len(screen.app.model.queue) == now["queued"], "the queue is as it is")
            listed = [job["id"] for job in daemon.result("list", order="queue")["jobs"]]
            assert [job.id for job in screen.app.model.queue] == listed

    asyncio.run(play())


def test_nothing_is_asked_for_while_nothing_happens(held: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    held.submit(quick(held.out / "still.mp4"))
    asked = []

    async def play() -> None:
        async with watching(held.bus) as screen:
            await screen.until(lambda: not screen.app.model.stale, "all is asked for")
            call = screen.app.link.client.call

            async def counting(command: object, kind: type) -> object:
                asked.append(command)
                return await call(command, kind)  # type: ignore[arg-type]

            monkeypatch.setattr(screen.app.link.client, "call", counting)
            heard = screen.app.link._heard_at
            await screen.until(lambda: screen.app.link._heard_at - heard > 3 * link.REFRESH_SECONDS, "heartbeats pass")
            assert asked == []

    asyncio.run(play())


def test_a_stranger_in_the_daemons_place_ends_it_and_is_told_of(daemon: Daemon) -> None:
    async def play() -> None:
        app = Top(daemon.bus)
        async with app.run_test() as pilot:
            screen = Screen(app, pilot)
            await screen.reads("pid")
            daemon.kill9()
            context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
            with context.socket(zmq.PUB) as stranger:
                stranger.linger = 0
                stranger.bind(sockets_of(daemon.bus)[1])

                def speak() -> bool:
                    stranger.send_multipart([b"job.x", b"this is no msgpack map"])
                    return app.return_value is not None

                await screen.until(speak, "the application ends")

    with pytest.raises(Undecodable):
        asyncio.run(play())


def test_over_tcp_all_is_shown_but_the_disks_which_may_be_another_machines(start: Callable[..., Daemon]) -> None:
    daemon = start(slots=1, bus=f"tcp://127.0.0.1:{free_pair()}")
    job_id = daemon.rendering(lasting(daemon.out / "tcp.mp4", 60))

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            assert daemon.bus in await screen.reads("1/1 slots")
            await screen.until(lambda: "0%" not in screen.line(job_id[:8]), "its bar has moved")
            await screen.choose(job_id)
            await screen.press("c", "enter")
            await screen.reads(job_id[:8], "cancelled", "by tcp:127.0.0.1")
            assert "free" not in screen.text

    asyncio.run(play())


# ---------------------------------------------------------------- without a screen


def test_where_there_is_no_terminal_it_says_what_to_do(shell: Shell) -> None:
    said = shell.fails(WRONG_USAGE, "top")
    assert "rushes: this draws on a terminal, and there is none; for a look: rushes top --json" in said


def test_a_dumb_terminal_is_none(daemon: Daemon) -> None:
    with Shell(daemon.bus, daemon.out, {"TERM": "dumb"}).terminal("top") as terminal:
        assert terminal.ended() == WRONG_USAGE
        assert "this draws on a terminal" in terminal.text


def test_json_is_all_of_it_once(held: Daemon, shell: Shell) -> None:
    job_id = held.submit(quick(held.out / "json.mp4"))["id"]
    found = shell.result("top")
    assert found["status"]["draining"] is True
    assert [job["id"] for job in found["queue"]] == [job_id]
    assert found["running"] == []
    for job in (*found["queue"], *found["ended"]):
        check(job, JOB)
