"""Promise: a disk with less room than `min_free` begins no output; its jobs wait, and everyone can see for what."""

import functools
from collections.abc import Iterator

import pytest

from tests.support import contract
from tests.support.disks import MIB, SmallDisk, small_disk
from tests.support.faults import Tried, tried
from tests.support.jobs import quick
from tests.support.processes import eventually

FLOOR = 4 * MIB
FREE = MIB


@pytest.fixture(scope="module")
def one_disk() -> Iterator[SmallDisk]:
    with small_disk(2 * FLOOR) as found:
        yield found


@pytest.fixture(scope="module")
def shared(one_disk: SmallDisk) -> Iterator[Tried]:
    with tried(slots=1, min_free="4MiB") as found:
        yield found


@pytest.fixture
def disk(one_disk: SmallDisk) -> Iterator[SmallDisk]:
    """A disk with a little room, and ballast instead of the rest."""
    for left in one_disk.path.iterdir():
        left.unlink()
    one_disk.fill(leave=FREE)
    yield one_disk
    one_disk.make_room()


@pytest.fixture
def daemon(shared: Tried, disk: SmallDisk) -> Iterator[Tried]:
    yield shared
    shared.reset()


def waits_for_room(daemon: Tried, job_id: str) -> bool:
    view = daemon.view(job_id)
    contract.check(view, contract.JOB)
    waiting = view["waiting"]
    return bool(view["status"] == "queued" and waiting and waiting["why"] == "disk")


def await_waiting(daemon: Tried, *job_ids: str) -> None:
    for job_id in job_ids:
        eventually(functools.partial(waits_for_room, daemon, job_id), f"job {job_id} waits for room")


def test_jobs_wait_for_room_where_all_can_see_it_and_begin_by_themselves(daemon: Tried, disk: SmallDisk) -> None:
    with daemon.listener() as listener:
        waiting = [daemon.submit(quick(disk.path / f"{number}.mp4"))["id"] for number in range(3)]
        listener.wait_for("job.requeued", waiting[0], why="disk")
        low = listener.wait_for("daemon.disk_low")["data"]
        assert low == {"folder": str(disk.path), "free": FREE, "floor": FLOOR}
        # Whoever has room goes on, though they came later and there is one slot.
        assert daemon.finish(quick(daemon.out / "other.mp4"))["status"] == "completed"
        await_waiting(daemon, *waiting)
        assert str(disk.path) in daemon.view(waiting[0])["waiting"]["message"]
        assert [job["id"] for job in daemon.result("list", order="queue")["jobs"]] == waiting
        assert daemon.result("cancel", job_id=waiting[1])["job"]["status"] == "cancelled"
        disk.make_room()
        listener.wait_for("daemon.disk_ok", folder=str(disk.path))
        for job_id in (waiting[0], waiting[2]):
            view = daemon.outcome(job_id)
            assert (view["status"], view["attempts"], view["waiting"]) == ("completed", 1, None)
        kinds = [event["type"] for event in listener.events() if event["type"].startswith("daemon.disk")]
        assert kinds == ["daemon.disk_low", "daemon.disk_ok"]
    assert daemon.kinds(waiting[0]) == [
        "submitted", "started", "requeued", "started", "output_started", "output_completed", "completed"
    ]  # fmt: skip


def test_a_job_waits_for_room_over_a_death_and_a_stop_of_the_daemon(daemon: Tried, disk: SmallDisk) -> None:
    before = daemon.result("status")["last_seq"]
    waiting = daemon.submit(quick(disk.path / "waiting.mp4"))["id"]
    await_waiting(daemon, waiting)
    daemon.restart()
    await_waiting(daemon, waiting)
    assert daemon.finish(quick(daemon.out / "meanwhile.mp4"))["status"] == "completed"
    assert daemon.terminate() == 0
    disk.make_room()
    daemon.start()
    view = daemon.outcome(waiting)
    assert (view["status"], view["attempts"]) == ("completed", 1)
    kinds = [event["type"] for event in daemon.events(since=before)]
    assert [kinds.count(f"daemon.disk_{what}") for what in ("low", "ok")] == [1, 1]
    assert daemon.has_gapless_seq()
