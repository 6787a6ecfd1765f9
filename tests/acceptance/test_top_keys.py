"""`rushes top` and a real daemon: each key, and with a second client whether the daemon did what was asked."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.screen import watching
from tests.support.wire import Map


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


def queued(daemon: Daemon, *names: str, **more: object) -> list[str]:
    """Jobs that wait, in that order."""
    return [daemon.submit(quick(daemon.out / f"{name}.mp4", name=name, **more))["id"] for name in names]


def order(daemon: Daemon) -> list[str]:
    """The names of the queued jobs, as they will run."""
    return [job["name"] for job in daemon.result("list", order="queue")["jobs"]]


def asked(daemon: Daemon, kind: str, job_id: str | None = None) -> list[Map]:
    """The commands of that type that the daemon has been sent, for one job where its id is given."""
    entries = daemon.result("audit")["entries"]
    return [entry for entry in entries if entry["type"] == kind and job_id in (None, entry["job_id"])]


# ---------------------------------------------------------------- what is shown


def test_it_shows_what_runs_what_waits_what_has_ended_and_what_happens(daemon: Daemon) -> None:
    done = daemon.finish(quick(daemon.out / "done.mp4", name="done"))["id"]
    running = [daemon.rendering(lasting(daemon.out / f"{name}.mp4", 60, name=name)) for name in ("left", "right")]
    low, high = queued(daemon, "low"), queued(daemon, "high", priority=5)

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await screen.reads("RUNNING", "2 jobs")
            await screen.reads(running[0][:8], "%", "x", "left")
            await screen.until(lambda: "0%" not in screen.line(running[1][:8]), "its bar has moved")
            first, second = await screen.reads(high[0][:8]), await screen.reads(low[0][:8])
            assert first.split()[1:] == ["1", "prio", "5", "high"]
            assert second.split()[1:] == ["2", "low"]
            await screen.reads(done[:8], "completed", "done")
            await screen.reads("2/2 slots", "2 queued")
            await screen.reads(str(daemon.out), "free")
            new = queued(daemon, "new")[0]
            await screen.reads(new[:8], "submitted", "new")
            await screen.reads(new[:8], "3", "new")
            daemon.result("cancel", job_id=running[0])
            await screen.reads(running[0][:8], "cancelled", "user_request")

    asyncio.run(play())


def test_names_are_shown_as_they_are_and_obeyed_by_nobody(held: Daemon) -> None:
    name = "[bold red]loud[/] \x1b[31m\x07 [@click=app.bell]x[/]"
    queued(held, "harmless")
    job_id = held.submit(quick(held.out / "[b]x.mp4", name=name))["id"]

    async def play() -> None:
        async with watching(held.bus) as screen:
            shown = "[bold red]loud[/] ␛[31m␇ [@click=app.bell]x[/]"
            assert (await screen.reads(job_id[:8], "2")).endswith(shown)
            await screen.choose(job_id)
            await screen.press("c")
            await screen.reads(job_id, "queued", shown)
            await screen.press("escape")

    asyncio.run(play())


def test_of_a_long_queue_a_page_is_shown(held: Daemon) -> None:
    for number in range(120):
        held.wire.send("submit", job=quick(held.out / f"many{number}.mp4", name=f"many{number}"))
    eventually(lambda: held.result("status")["queued"] == 120, "all are queued")

    async def play() -> None:
        async with watching(held.bus) as screen:
            await screen.reads("QUEUE", "first 100 of 120", "none starts")
            assert len(screen.app.model.queue) == 100
            await screen.press("end")

    asyncio.run(play())


def test_where_there_is_no_room_for_a_list_it_says_so(held: Daemon) -> None:
    queued(held, "one", "two")

    async def play() -> None:
        async with watching(held.bus, (80, 8)) as screen:
            await screen.reads("QUEUE    2 waiting, none starts, no room to show them")

    asyncio.run(play())


def test_a_filter_leaves_what_fits(held: Daemon) -> None:
    one, other = queued(held, "apple", "pear")

    async def play() -> None:
        async with watching(held.bus) as screen:
            await screen.reads(one[:8], "1")
            await screen.press("slash")
            await screen.type("PEA")
            await screen.until(lambda: "submitted" in screen.line(one[:8]), "only the feed has the other")
            await screen.press("enter")
            await screen.reads("ONLY 'PEA'")
            chosen = screen.app.chosen
            assert chosen is not None
            assert chosen.id == other
            await screen.press("escape")
            await screen.reads(one[:8], "1", "apple")
            assert screen.app.chosen == chosen

    asyncio.run(play())


# ---------------------------------------------------------------- moves


def test_front_up_and_down_move_a_job_as_the_bus_can(held: Daemon) -> None:
    a, b, c, d = queued(held, "a", "b", "c", "d")

    async def play() -> None:
        async with watching(held.bus) as screen:

            async def move(key: str, job_id: str, expected: str) -> None:
                await screen.choose(job_id)
                await screen.press(key)
                await screen.until(lambda: "".join(order(held)) == expected, f"{key} makes the order {expected}")
                await screen.until(
                    lambda: "".join(job.name or "" for job in screen.app.model.queue) == expected, "it is shown"
                )
                chosen = screen.app.chosen
                assert chosen is not None
                assert chosen.id == job_id

            await move("f", c, "cabd")
            await screen.reads(c, "priority 0, place 1 in the queue")
            await move("minus", c, "abcd")  # where its submission belongs
            await move("plus", b, "bacd")  # the first place can be taken exactly
            await move("plus", d, "dbac")  # past all of that priority
            await screen.reads(d, "priority 1 (was 0), place 1 in the queue")
            await move("minus", d, "bacd")
            await move("minus", a, "bcda")
            await screen.reads(a, "priority -1 (was 0), place 4 in the queue")
            await screen.press("minus")
            await screen.reads(a, "has nothing behind it in the queue")

    asyncio.run(play())
    assert [held.view(job_id)["priority"] for job_id in (a, b, c, d)] == [-1, 0, 0, 0]


def test_an_earlier_job_gets_before_another_by_its_priority_and_no_more(held: Daemon) -> None:
    early = queued(held, "early")[0]
    queued(held, "first", "second", priority=7)

    async def play() -> None:
        async with watching(held.bus) as screen:
            await screen.choose(early)
            await screen.press("plus")
            await screen.reads(early, "priority 7 (was 0), place 1 in the queue")

    asyncio.run(play())
    assert order(held) == ["early", "first", "second"]
    assert len(asked(held, "boost", early)) == 1


def test_what_does_not_wait_cannot_be_moved_and_the_daemon_says_so(daemon: Daemon) -> None:
    done = daemon.finish(quick(daemon.out / "over.mp4"))["id"]

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await screen.choose(done)
            for key in ("f", "plus", "minus", "r"):
                await screen.press("escape", key)
                await screen.reads("conflict: ")

    asyncio.run(play())


# ---------------------------------------------------------------- pause, retry


def test_pause_holds_a_job_and_lets_it_go_on(daemon: Daemon) -> None:
    running = daemon.rendering(lasting(daemon.out / "held.mp4", 60))
    daemon.result("drain")
    [waiting] = queued(daemon, "waits")

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            for job_id, shown, answer in (
                (running, "paused", "is held where it is, and keeps its slots, until"),
                (waiting, "waits: paused", "does not start, until"),
            ):
                await screen.choose(job_id)
                await screen.press("p")
                await screen.reads(job_id[:8], shown)
                await screen.reads(f"{job_id} {answer}")
                assert daemon.view(job_id)["paused"]
                await screen.reads("p Go on")
                await screen.press("p")
                await screen.reads(f"{job_id} goes on")
                await screen.reads("p Pause")
                assert daemon.view(job_id)["paused"] is None

    asyncio.run(play())


def test_a_job_that_has_to_wait_for_its_slots_is_not_said_to_go_on(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "released.mp4", 60))
    daemon.result("pause", job_id=job_id, release=True)
    daemon.event(job_id, "paused")
    daemon.rendering(lasting(daemon.out / "has-them.mp4", 60))

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await screen.choose(job_id)
            await screen.press("p")
            await screen.reads(f"{job_id} goes on when it has its slots")

    asyncio.run(play())


def test_retry_queues_a_failed_job_again(daemon: Daemon) -> None:
    job_id = daemon.finish(tempered(quick(daemon.out / "again.mp4"), "flaky"))["id"]
    daemon.result("drain")

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await screen.choose(job_id)
            await screen.press("r")
            await screen.reads(job_id, "is queued again, place 1")
            await screen.reads(job_id[:8], "1", "again.mp4")
            chosen = screen.app.chosen
            assert chosen is not None
            assert (chosen.id, chosen.status) == (job_id, "queued")

    asyncio.run(play())
    assert daemon.event(job_id, "requeued")["data"]["why"] == "retry"


# ---------------------------------------------------------------- log, drain, help


def test_log_shows_what_ffmpeg_says_of_this_output_and_the_next(daemon: Daemon) -> None:
    first, second = daemon.out / "first.mp4", daemon.out / "second.mp4"
    job, later = tempered(quick(first), "held-and-cut-off"), lasting(second, 60)
    job["outputs"].append({**later["outputs"][0], "inputs": later["inputs"]})
    job_id = daemon.underway(job)

    async def play() -> None:
        async with watching(daemon.bus, (100, 60)) as screen:
            await screen.choose(job_id)
            await screen.press("l")
            await screen.reads(job_id, "processing", "first.mp4")
            assert await screen.reads("==> output 0") == f"==> output 0, attempt 1: {first} <=="
            (daemon.base / "let-go").touch()
            await screen.reads("Output #0, mp4, to", "-0-1.mp4")
            await screen.reads("Output #0, mp4, to", "-1-1.mp4")
            for index, file in enumerate((first, second)):
                assert await screen.reads(f"==> output {index}") == f"==> output {index}, attempt 1: {file} <=="
            daemon.result("cancel", job_id=job_id)
            await screen.reads("[q] command received. Exiting.")
            await screen.reads(job_id, "cancelled")
            await screen.press("escape")
            await screen.reads("Rushes", "pid")

    asyncio.run(play())


def test_a_log_that_is_not_there_yet_is_waited_for(held: Daemon) -> None:
    [job_id] = queued(held, "later")

    async def play() -> None:
        async with watching(held.bus, (100, 60)) as screen:
            await screen.choose(job_id)
            await screen.press("l")
            await screen.reads("It has not run yet")
            held.result("resume")
            await screen.reads("==> output 0, attempt 1: ", "later.mp4")
            await screen.reads("Output #0, mp4, to")
            await screen.until(lambda: "not run yet" not in screen.text, "that is no longer said")
            await screen.press("q")

    asyncio.run(play())


def test_drain_and_resume_are_one_key(daemon: Daemon) -> None:
    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await screen.press("s")
            await screen.reads("DRAINING: no further job starts")
            await screen.reads("s Resume")
            assert daemon.result("status")["draining"]
            await screen.press("s")
            await screen.reads("Resumed: jobs start again")
            await screen.until(lambda: "DRAINING" not in screen.text, "it is no longer said")
            assert not daemon.result("status")["draining"]

    asyncio.run(play())


def test_help_names_every_key_and_goes_with_the_next(daemon: Daemon) -> None:
    async def play() -> None:
        async with watching(daemon.bus, (80, 24)) as screen:
            await screen.press("question_mark")
            for part in ("Cancel: stop it", "before every other", "passes all of that priority", "Nothing is stopped"):
                await screen.reads(part)
            await screen.press("x")
            await screen.reads("Rushes", "pid")

    asyncio.run(play())
