"""Promise: the store can be copied while it is in use, by itself and on demand, and such a copy put in its place."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.daemon import Child
from tests.support.faults import FILE_NAME, Tried, tried
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.sqlite_files import is_sound
from tests.support.wire import Dealer, new_id

BACKUPS_KEPT = 2
SECONDS_BETWEEN = 0.4

OLDER = ["rushes-20250101T000000Z.sqlite3", "rushes-20250102T000000Z.sqlite3"]
"""Copies of another time: what counts is their names."""

MANY = 100
"""Jobs that are submitted while a copy is made."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Tried]:
    with tried(slots=1, grace=1) as found:
        yield found


@pytest.fixture
def daemon(shared: Tried) -> Iterator[Tried]:
    yield shared
    shared.reset()


def epoch_of(daemon: Tried) -> str:
    return str(daemon.result("status")["epoch"])


def noted_epoch(store: Path) -> str:
    with closing(sqlite3.connect(store)) as connection:
        (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    return str(epoch)


def is_one_file(copy: Path) -> bool:
    return [path.name for path in sorted(copy.parent.glob(f"*{copy.name}*"))] == [copy.name]


def put_in_place(daemon: Tried, copy: Path) -> None:
    """What the manual says: the daemon is stopped, the store moved away with its log, the copy put there."""
    away = daemon.base / f"away-{new_id()}"
    away.mkdir()
    for path in [daemon.store, *daemon.data.glob(f"{FILE_NAME}-*")]:
        path.rename(away / path.name)
    shutil.copy(copy, daemon.store)


def test_a_copy_is_made_while_jobs_come_in_and_is_sound_and_another_history(daemon: Tried) -> None:
    copy = daemon.base / "copy.sqlite3"
    daemon.result("drain")
    before = [daemon.submit(quick(daemon.out / f"before-{number}.mp4"))["id"] for number in range(5)]
    with Dealer(daemon.bus) as other:
        sent = [other.send("submit", job=quick(daemon.out / f"{number}.mp4")) for number in range(MANY // 2)]
        asked = daemon.wire.send("backup", path=str(copy))
        sent += [other.send("submit", job=quick(daemon.out / f"late-{number}.mp4")) for number in range(MANY // 2)]
        made = daemon.wire.reply_to(asked)
        assert made["ok"], made
        assert all(other.reply_to(command_id)["ok"] for command_id in sent)
    assert made["result"] == {"path": str(copy), "size": copy.stat().st_size}
    assert is_sound(copy)
    assert is_one_file(copy)
    epoch, count = epoch_of(daemon), daemon.result("status")["queued"]
    assert noted_epoch(copy) != epoch == noted_epoch(daemon.store)
    assert count == len(before) + MANY
    assert daemon.has_gapless_seq()
    epochs = {epoch}
    for _ in range(2):  # what follows from the same copy a second time is another history once more
        assert daemon.terminate() == 0
        put_in_place(daemon, copy)
        daemon.start()
        epochs.add(epoch_of(daemon))
    assert len(epochs) == 3
    assert [daemon.view(job_id)["status"] for job_id in before] == ["queued"] * len(before)
    assert len(before) <= daemon.result("status")["queued"] <= count
    assert daemon.has_gapless_seq()


def test_a_copy_that_cannot_be_made_is_refused_with_why(daemon: Tried, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("somebody else's")
    assert daemon.refusal("backup", path=str(there))["code"] == "conflict"
    assert there.read_text() == "somebody else's"
    for path in ("copy.sqlite3", str(tmp_path / "gone" / "copy"), f"{tmp_path}/", str(there / "copy")):
        refused = daemon.refusal("backup", path=path)
        assert (refused["code"], refused["details"]["path"]) == ("invalid", "path"), path
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    assert daemon.refusal("backup", path=str(link))["code"] == "conflict"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "there"]


def test_copies_are_made_on_a_schedule_and_the_oldest_are_removed(tmp_path: Path) -> None:
    config = tmp_path / "rushes.toml"
    schedule = f"[backup]\nevery_hours = {SECONDS_BETWEEN / 3600}\nkeep = {BACKUPS_KEPT}\n"
    config.write_text(f'default_role = "operator"\n{schedule}')

    def made_before(daemon: Tried) -> None:
        (daemon.data / "backups").mkdir(parents=True)
        for name in OLDER:
            (daemon.data / "backups" / name).write_bytes(b"")

    with tried(config=config, before=made_before) as daemon:
        assert daemon.refusal("backup", path=str(tmp_path / "copy"))["code"] == "forbidden", (
            "it is an admin's to ask for"
        )
        folder = daemon.data / "backups"
        last = [Path(daemon.says("backup_made", number)["path"]) for number in (1, 2, 3)][-1]
        assert daemon.terminate() == 0
        kept = sorted(folder.iterdir())
        assert len(kept) == BACKUPS_KEPT
        assert OLDER[0] not in {copy.name for copy in kept}
        assert kept[-1].name >= last.name
        assert is_sound(kept[-1])
        assert is_one_file(kept[-1])


def test_a_daemon_serves_where_its_copies_cannot_be_made_or_removed_and_says_so(tmp_path: Path) -> None:
    config, disk = tmp_path / "rushes.toml", tmp_path / "disk"
    config.write_text(f"[backup]\nevery_hours = {SECONDS_BETWEEN / 3600}\nkeep = {BACKUPS_KEPT}\n")

    def on_a_disk_that_is_not_mounted(daemon: Tried) -> None:
        daemon.data.mkdir()
        (daemon.data / "backups").symlink_to(disk)

    with tried(config=config, before=on_a_disk_that_is_not_mounted, expects={"backup_failed"}) as daemon:
        folder = daemon.data / "backups"
        said = f"{folder} is no folder, nor leads to one: is what it is on mounted?"
        assert daemon.says("backup_failed")["error"] == said
        no_file = disk / OLDER[0]
        no_file.mkdir(parents=True)
        assert Path(daemon.says("backup_made", BACKUPS_KEPT)["path"]).parent == folder
        assert daemon.says("leftover_kept")["path"] == str(folder / no_file.name)


def test_after_a_copy_was_put_in_place_nothing_is_left_of_what_it_does_not_know(daemon: Tried) -> None:
    copy = daemon.base / "before-the-loss.sqlite3"
    known = daemon.finish(quick(daemon.out / "known.mp4"))["id"]
    daemon.result("backup", path=str(copy))
    reader = daemon.result("events", since=0)
    running = daemon.rendering(lasting(daemon.out / "running.mp4"))
    waiting = daemon.submit(quick(daemon.out / "waiting.mp4"))["id"]
    child = daemon.child(running)
    partial = eventually(lambda: list(daemon.out.glob(".rushes-*")), "a partial file")
    daemon.kill9()  # so that its child lives on
    put_in_place(daemon, copy)
    daemon.start()
    assert [daemon.refusal("get", job_id=job_id)["code"] for job_id in (running, waiting)] == ["not_found"] * 2
    view = daemon.view(known)
    assert (view["status"], (daemon.out / "known.mp4").exists()) == ("completed", True)
    await_gone(daemon, child, running, partial)
    # A reader of events is told that this is another history, and finds it whole from the start.
    again = daemon.result("events", since=reader["last_seq"])
    assert again["epoch"] != reader["epoch"]
    with daemon.listener() as listener:
        assert listener.await_heartbeat()["data"]["epoch"] == again["epoch"]
    assert daemon.has_gapless_seq()
    # An id that was used after the copy was made means nothing to it.
    assert daemon.finish(quick(daemon.out / "running.mp4"))["status"] == "completed"
    assert daemon.result("delete", id=new_id(), job_id=known)["removed"] == [str(daemon.out / "known.mp4")]


def await_gone(daemon: Tried, child: Child, job_id: str, partial: list[Path]) -> None:
    eventually(lambda: not child.members(), "the child is gone")
    eventually(lambda: not (daemon.data / "work" / job_id).exists(), "its work folder is gone")
    assert not [path for path in partial if path.exists()]


def test_a_copy_that_may_not_be_is_refused_and_those_that_come_after_are_made(daemon: Tried) -> None:
    folder = daemon.base / ("n" * 300)
    refusal = daemon.refusal("backup", path=str(folder / "copy"))
    assert (refusal["code"], refusal["details"]) == ("invalid", {"path": "path"})
    assert refusal["message"] == f"folder {folder} cannot be looked at: File name too long"
    assert is_sound(Path(daemon.result("backup", path=str(daemon.base / "copy-after"))["path"]))
