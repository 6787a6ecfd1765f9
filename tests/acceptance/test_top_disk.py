"""`rushes top` and a disk with too little room: everyone sees which, for how long, and which jobs wait for it."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.support.daemon import Daemon
from tests.support.disks import MIB, SmallDisk, small_disk
from tests.support.jobs import quick
from tests.support.screen import watching

FLOOR, FREE = 4 * MIB, MIB


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(2 * FLOOR) as found:
        found.fill(leave=FREE)
        yield found


def test_a_disk_that_is_low_is_told_of_until_there_is_room(disk: SmallDisk, start: Callable[..., Daemon]) -> None:
    daemon = start(slots=1, min_free="4MiB")

    async def play() -> None:
        async with watching(daemon.bus, (160, 30)) as screen:
            job_id = daemon.submit(quick(disk.path / "waits.mp4"))["id"]
            await screen.reads("DISK LOW", str(disk.path), "its jobs wait for 4.2 MB")
            await screen.reads(job_id[:8], "waits.mp4: waits for room on the disk")
            await asyncio.to_thread(daemon.restart)
            await screen.reads(f"pid {daemon.pid}")
            await screen.reads("DISK LOW", str(disk.path))
            disk.make_room()
            await screen.reads(job_id[:8], "completed", "waits.mp4")
            await screen.until(lambda: "DISK LOW" not in screen.text, "it is no longer told of")

    asyncio.run(play())
