"""PROTOCOL.md: `ttl` seconds after its end a job is forgotten, and its files are removed unless they are kept."""

from collections.abc import Iterator

import pytest

from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually


@pytest.fixture
def kept(daemon: Daemon) -> Iterator[str]:
    """A job with the usual ttl, which outlives the test."""
    job_id = str(daemon.finish(quick(daemon.out / "kept.mp4", overwrite=True))["id"])
    yield job_id
    assert daemon.view(job_id)["status"] == "completed"


def test_a_job_expires_when_its_ttl_has_passed_and_its_files_go_with_it(daemon: Daemon, kept: str) -> None:
    target = daemon.out / "expires.mp4"
    job_id = daemon.submit(quick(target, ttl=0.2))["id"]
    assert daemon.event(job_id, "expired")
    assert daemon.refusal("get", job_id=job_id)["code"] == "not_found"
    assert job_id not in {job["id"] for job in daemon.result("list", limit=1000)["jobs"]}
    assert daemon.kinds(job_id)[-2:] == ["completed", "expired"]
    assert not target.exists()
    eventually(lambda: not list(daemon.data.rglob(f"*{job_id}*")), "its work folder is gone")


def test_a_job_that_keeps_its_files_leaves_them_when_it_expires(daemon: Daemon) -> None:
    target = daemon.out / "kept-files.mp4"
    job_id = daemon.submit(quick(target, ttl=0, keep_files=True))["id"]
    assert daemon.event(job_id, "expired")["data"]["removed"] == []
    assert target.exists()


def test_a_file_that_was_replaced_meanwhile_is_left_alone_when_its_job_expires(daemon: Daemon) -> None:
    target = daemon.out / "replaced-before-expiry.mp4"
    daemon.result("drain")
    job_id = daemon.submit(quick(target, ttl=1))["id"]
    daemon.result("resume")
    assert daemon.event(job_id, "completed")
    target.unlink()
    target.write_text("somebody else's")
    gone = daemon.event(job_id, "expired")["data"]
    assert (gone["removed"], [failed["path"] for failed in gone["failed"]]) == ([], [str(target)])
    assert target.read_text() == "somebody else's"


def test_a_cancelled_and_a_failed_job_expire_too(daemon: Daemon, kept: str) -> None:
    broken = daemon.out / "broken.mov"
    broken.write_bytes(b"no film")
    failed = daemon.submit({**quick(daemon.out / "failed.mp4", ttl=0.2), "inputs": [{"path": str(broken)}]})["id"]
    cancelled = daemon.submit(lasting(daemon.out / "cancelled.mp4", ttl=0.2))["id"]
    daemon.result("cancel", job_id=cancelled)
    for job_id, status in ((failed, "failed"), (cancelled, "cancelled")):
        assert daemon.event(job_id, "expired")
        assert daemon.kinds(job_id)[-2:] == [status, "expired"]


def test_a_job_whose_time_came_while_no_daemon_was_there_expires_at_the_next_start(daemon: Daemon) -> None:
    job_id = daemon.finish(quick(daemon.out / "away.mp4", ttl=0.5))["id"]
    daemon.kill9()
    daemon.start()
    assert daemon.event(job_id, "expired")


def test_a_job_that_waits_does_not_expire(daemon: Daemon) -> None:
    daemon.result("drain")
    waits = daemon.submit(quick(daemon.out / "waits.mp4", ttl=0))["id"]
    ended = daemon.submit(quick(daemon.out / "ended.mp4", ttl=0))["id"]
    daemon.result("cancel", job_id=ended)
    assert daemon.event(ended, "expired")
    assert daemon.view(waits)["status"] == "queued"
