"""`rushes top` and a real daemon: the dialogs that ask before something is stopped or removed."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.limits import MAX_NOTES_CHARS, MAX_REASON_CHARS
from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.screen import Screen, watching
from tests.support.wire import Map


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


def asked(daemon: Daemon, kind: str, job_id: str | None = None) -> list[Map]:
    """The commands of that type that the daemon has been sent, for one job where its id is given."""
    entries = daemon.result("audit")["entries"]
    return [entry for entry in entries if entry["type"] == kind and job_id in (None, entry["job_id"])]


# ---------------------------------------------------------------- cancel


async def cancel_dialog(screen: Screen, job_id: str) -> None:
    await screen.choose(job_id)
    await screen.press("c")
    await screen.reads("Cancel Job?")


def test_cancel_says_what_will_happen_and_escape_keeps(daemon: Daemon) -> None:
    running = daemon.rendering(lasting(daemon.out / "kept.mp4", 60))

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await cancel_dialog(screen, running)
            await screen.reads(running, "processing", "kept.mp4")
            await screen.reads("FFmpeg is asked to end")
            await screen.type("never mind")
            await screen.press("escape")
            await screen.until(lambda: not screen.asks, "the dialog is closed")

    asyncio.run(play())
    assert daemon.view(running)["phase"] == "rendering"
    assert asked(daemon, "cancel", running) == []


def test_cancel_takes_reason_and_notes_and_enter_again_and_again_sends_one_command(daemon: Daemon) -> None:
    running = daemon.rendering(lasting(daemon.out / "wrong.mp4", 60))

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await cancel_dialog(screen, running)
            await screen.type("wrong LUT")
            await screen.press("tab")
            await screen.type("asked by\x1b[31m colour")
            daemon.signal(signal.SIGSTOP)  # the answer cannot come before the keys
            try:
                await screen.press("enter", "enter", "enter")
                await screen.reads("The daemon is asked")
            finally:
                daemon.signal(signal.SIGCONT)
            await screen.until(lambda: not screen.asks, "the dialog is closed")
            await screen.press("enter")
            await screen.reads(running[:8], "cancelled", "wrong LUT")
            await screen.reads(f"{running} was told to stop")  # which stays true

    asyncio.run(play())
    cancel = daemon.outcome(running)["cancel"]
    assert (cancel["reason"], cancel["notes"][:8]) == ("wrong LUT", "asked by")
    assert len(asked(daemon, "cancel", running)) == 1


def test_what_is_typed_is_cut_where_the_bus_would_refuse_it(held: Daemon) -> None:
    job_id = held.submit(quick(held.out / "long.mp4"))["id"]

    async def play() -> None:
        async with watching(held.bus) as screen:
            await cancel_dialog(screen, job_id)
            await screen.type("r" * (MAX_REASON_CHARS + 50))
            await screen.press("tab")
            await screen.type("n" * (MAX_NOTES_CHARS + 50))
            await screen.reads("cut to 500 characters")
            await screen.press("x", "enter")
            await screen.until(lambda: not screen.asks, "the dialog is closed")

    asyncio.run(play())
    cancel = held.view(job_id)["cancel"]
    assert cancel["reason"] == "r" * MAX_REASON_CHARS
    assert cancel["notes"] == "n" * MAX_NOTES_CHARS


def test_a_refusal_is_shown_and_nothing_typed_is_lost(daemon: Daemon) -> None:
    job_id = daemon.underway(tempered(quick(daemon.out / "refused.mp4"), "doomed"))

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await cancel_dialog(screen, job_id)
            await screen.type("too late")
            (daemon.base / "fail-now").touch()
            await asyncio.to_thread(daemon.outcome, job_id)
            await screen.press("enter")
            await screen.reads("conflict: ", "failed")
            await screen.reads("too late")
            assert screen.asks
            await screen.press("enter")  # may be tried again
            await screen.until(lambda: len(asked(daemon, "cancel", job_id)) == 2, "it was tried again")
            await screen.press("escape")
            await screen.until(lambda: not screen.asks, "the dialog is closed")
            chosen = screen.app.chosen
            assert chosen is not None
            assert chosen.id == job_id
            await screen.press("c")
            await screen.reads(job_id, "is failed: there is nothing to cancel")

    try:
        asyncio.run(play())
    finally:
        (daemon.base / "fail-now").unlink(missing_ok=True)


# ---------------------------------------------------------------- delete


def test_delete_names_the_files_that_go_and_removes_them(daemon: Daemon) -> None:
    files = [daemon.out / f"gone{number}.mp4" for number in range(8)]
    job_id = daemon.finish(quick(*files, name="many files"))["id"]

    async def play() -> None:
        async with watching(daemon.bus, (80, 24)) as screen:
            await screen.choose(job_id)
            await screen.press("d")
            await screen.reads("Delete Job?")
            await screen.reads("8 files WILL BE REMOVED")
            await screen.reads(str(files[5]))
            await screen.reads("and 2 more")
            await screen.press("escape")
            await screen.until(lambda: not screen.asks, "the dialog is closed")
            assert all(file.exists() for file in files)
            await screen.press("d", "enter", "enter")
            await screen.reads(f"{job_id} deleted, 8 files removed")
            assert job_id[:8] not in screen.line("completed")

    asyncio.run(play())
    assert not any(file.exists() for file in files)
    assert daemon.refusal("get", job_id=job_id)["code"] == "not_found"
    assert len(asked(daemon, "delete", job_id)) == 1


def test_a_dialog_fits_its_screen_with_the_longest_names_and_paths(daemon: Daemon) -> None:
    folder = daemon.out / "/".join(["d" * 100] * 3)
    folder.mkdir(parents=True)
    files = [folder / f"deep{number}.mp4" for number in range(8)]
    job_id = daemon.finish(quick(*files, name="映" * 200))["id"]

    async def play() -> None:
        async with watching(daemon.bus, (80, 24)) as screen:
            await screen.choose(job_id)
            await screen.press("d")
            await screen.reads("8 files WILL BE REMOVED")
            await screen.reads("…", "/deep5.mp4")
            await screen.reads("and 2 more")
            await screen.reads("Enter: delete it")

    asyncio.run(play())


def test_delete_leaves_the_files_where_that_is_asked_for(daemon: Daemon) -> None:
    job_id = daemon.finish(quick(daemon.out / "stays.mp4"))["id"]

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await screen.choose(job_id)
            await screen.press("d", "k")
            await screen.reads("1 file KEPT")
            await screen.press("enter")
            await screen.reads(f"{job_id} deleted")

    asyncio.run(play())
    assert (daemon.out / "stays.mp4").exists()


def test_delete_of_a_running_job_says_that_it_is_cancelled_first(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "forced.mp4", 60))

    async def play() -> None:
        async with watching(daemon.bus) as screen:
            await screen.choose(job_id)
            await screen.press("d")
            await screen.reads("It is processing: it is cancelled first")
            await screen.reads("It has made no file so far")
            await screen.press("enter")
            await screen.reads(f"{job_id} deleted")

    asyncio.run(play())
    assert daemon.kinds(job_id)[-2:] == ["cancelled", "deleted"]


def test_a_file_that_is_another_by_now_is_left_and_told_of(daemon: Daemon) -> None:
    file, lost = daemon.out / "changed.mp4", daemon.out / "lost.mp4"
    job_id = daemon.finish(quick(file, lost))["id"]
    file.write_text("somebody else's")
    lost.unlink()

    async def play() -> None:
        async with watching(daemon.bus, (200, 30)) as screen:
            await screen.choose(job_id)
            await screen.press("d")
            await screen.reads("1 file left, since another by now")
            await screen.reads("1 file missing already.")
            assert "WILL BE REMOVED" not in screen.text
            await screen.reads(f"{file}: ")
            await screen.press("enter")
            await screen.reads(f"{job_id} deleted, 1 file missing", f"left {file}: ")

    asyncio.run(play())
    assert file.read_text() == "somebody else's"
