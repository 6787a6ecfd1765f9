"""PROTOCOL.md, rules of `delete`: it removes what the job's own completed outputs made, and nothing else."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.contract import DELETED, check
from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.media import Clips
from tests.support.wire import Map


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=20, ffmpeg=temperamental) as daemon:
        yield daemon


def completed(daemon: Daemon, *targets: Path, **more: object) -> str:
    view = daemon.finish(quick(*targets, **more))
    assert view["status"] == "completed", view["error"]
    return str(view["id"])


def assert_gone(daemon: Daemon, job_id: str) -> None:
    """The job is `not_found` everywhere, but its history is still told."""
    for kind in ("get", "cancel", "delete", "retry", "log"):
        assert daemon.refusal(kind, job_id=job_id)["code"] == "not_found", kind
    assert daemon.refusal("boost", job_id=job_id, front=True)["code"] == "not_found"
    assert job_id not in {job["id"] for job in daemon.result("list", limit=1000)["jobs"]}
    assert daemon.kinds(job_id)[0] == "submitted"
    assert daemon.kinds(job_id)[-1] == "deleted"
    audited = [entry["type"] for entry in daemon.result("audit")["entries"] if entry["job_id"] == job_id]
    assert {"submit", "delete"} <= set(audited)


def test_the_files_of_a_completed_job_go_with_it(daemon: Daemon) -> None:
    targets = [daemon.out / "one.mp4", daemon.out / "two.mp4"]
    job_id = completed(daemon, *targets)
    result = daemon.result("delete", job_id=job_id)
    check(result, DELETED)
    assert (result["job_id"], result["status"]) == (job_id, "deleted")
    assert sorted(result["removed"]) == [str(target) for target in targets]
    assert (result["missing"], result["failed"]) == ([], [])
    assert not any(target.exists() for target in targets)
    assert_gone(daemon, job_id)


def test_with_keep_files_they_stay(daemon: Daemon) -> None:
    target = daemon.out / "kept.mp4"
    job_id = completed(daemon, target)
    assert daemon.result("delete", job_id=job_id, keep_files=True)["removed"] == []
    assert target.exists()
    assert_gone(daemon, job_id)


def test_a_file_that_is_already_gone_is_no_error(daemon: Daemon) -> None:
    targets = [daemon.out / "gone.mp4", daemon.out / "there.mp4"]
    job_id = completed(daemon, *targets)
    targets[0].unlink()
    result = daemon.result("delete", job_id=job_id)
    assert (result["missing"], result["removed"]) == ([str(targets[0])], [str(targets[1])])
    assert_gone(daemon, job_id)


def test_a_folder_that_is_already_gone_is_no_error(daemon: Daemon) -> None:
    folder = daemon.out / "folder"
    folder.mkdir()
    job_id = completed(daemon, folder / "a.mp4")
    (folder / "a.mp4").unlink()
    folder.rmdir()
    assert daemon.result("delete", job_id=job_id)["missing"] == [str(folder / "a.mp4")]


def replace_by_rename(target: Path) -> None:
    other = target.with_name("new")
    other.write_bytes(b"somebody's own work")
    other.rename(target)


def replace_in_place(target: Path) -> None:
    target.write_bytes(b"somebody's own work")


def replace_by_folder(target: Path) -> None:
    target.unlink()
    target.mkdir()


def replace_by_link(target: Path) -> None:
    target.unlink()
    target.symlink_to("/etc/hostname")


@pytest.mark.parametrize("replace", [replace_by_rename, replace_in_place, replace_by_folder, replace_by_link])
def test_a_file_that_is_no_longer_the_jobs_is_left_alone_and_named(
    daemon: Daemon, replace: Callable[[Path], None]
) -> None:
    target = daemon.out / f"{replace.__name__}.mp4"
    job_id = completed(daemon, target)
    replace(target)
    result = daemon.result("delete", job_id=job_id)
    check(result, DELETED)
    assert [failed["path"] for failed in result["failed"]] == [str(target)]
    assert result["removed"] == []
    assert os.path.lexists(target)
    assert_gone(daemon, job_id)


def test_a_later_jobs_file_at_the_same_path_is_left_alone(daemon: Daemon) -> None:
    target = daemon.out / "again.mp4"
    first = completed(daemon, target)
    second = completed(daemon, target, overwrite=True)
    assert [failed["path"] for failed in daemon.result("delete", job_id=first)["failed"]] == [str(target)]
    assert target.exists()
    assert daemon.result("delete", job_id=second)["removed"] == [str(target)]


@pytest.mark.parametrize("force", [False, True])
def test_a_queued_job_needs_force(daemon: Daemon, *, force: bool) -> None:
    daemon.result("drain")
    job_id = daemon.submit(quick(daemon.out / f"queued-{force}.mp4"))["id"]
    if not force:
        error = daemon.refusal("delete", job_id=job_id)
        assert error["code"] == "conflict"
        assert error["details"]["job"]["status"] == "queued"
        return
    assert daemon.result("delete", job_id=job_id, force=True)["status"] == "deleted"
    assert daemon.kinds(job_id) == ["submitted", "cancelled", "deleted"]
    assert_gone(daemon, job_id)


def test_a_processing_job_needs_force(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "needs.mp4"))
    error = daemon.refusal("delete", job_id=job_id)
    assert error["code"] == "conflict"
    assert error["details"]["job"]["status"] == "processing"
    assert daemon.view(job_id)["phase"] == "rendering"


def test_with_force_and_wait_a_processing_job_is_gone_with_its_child(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "forced.mp4"))
    child = daemon.child(job_id)
    result = daemon.result("delete", job_id=job_id, force=True, wait=30)
    check(result, DELETED)
    assert result["status"] == "deleted"
    assert not child.members()
    assert not list(daemon.out.glob("*forced*"))
    assert not list(daemon.out.glob(".rushes-*"))
    assert daemon.kinds(job_id)[-2:] == ["cancelled", "deleted"]
    assert_gone(daemon, job_id)


def test_without_wait_the_reply_comes_when_a_running_job_is_gone(daemon: Daemon) -> None:
    job_id = daemon.underway(lasting(daemon.out / "being.mp4"))
    child = daemon.child(job_id)
    result = daemon.result("delete", job_id=job_id, force=True)
    check(result, DELETED)
    assert (result["job_id"], result["status"]) == (job_id, "deleted")
    assert not child.members()
    assert_gone(daemon, job_id)


def test_a_wait_that_is_over_first_says_that_it_is_being_deleted(daemon: Daemon) -> None:
    job_id = daemon.underway(lasting(daemon.out / "slow.mp4"))
    result = daemon.result("delete", job_id=job_id, force=True, wait=0)
    assert (result["job_id"], result["status"], result["deleted_at"]) == (job_id, "deleting", None)
    daemon.event(job_id, "deleted")
    assert_gone(daemon, job_id)


def test_a_deletion_that_waits_for_its_child_survives_the_daemons_death(daemon: Daemon) -> None:
    job_id = daemon.submit(tempered(lasting(daemon.out / "dies.mp4"), "stubborn"))["id"]
    child = daemon.child(job_id)
    assert daemon.result("delete", job_id=job_id, force=True, wait=0)["status"] == "deleting"
    daemon.restart(grace=0.3)
    daemon.event(job_id, "deleted")
    assert not child.members()
    assert_gone(daemon, job_id)


def test_a_cancelled_job_is_deleted_without_force(daemon: Daemon) -> None:
    job_id = daemon.underway(lasting(daemon.out / "cancelled.mp4"))
    daemon.result("cancel", job_id=job_id, wait=30)
    assert daemon.result("delete", job_id=job_id)["status"] == "deleted"
    assert_gone(daemon, job_id)


def test_the_completed_outputs_of_a_failed_job_go_and_what_it_never_made_stays(daemon: Daemon, clips: Clips) -> None:
    made, never = daemon.out / "made.mp4", daemon.out / "never.mp4"
    broken = daemon.out / "broken.mov"
    broken.write_bytes(b"no film")
    job = quick(made, never)
    job["outputs"][1]["inputs"] = [{"path": str(broken)}]
    view = daemon.finish(job)
    assert view["status"] == "failed"
    never.write_bytes(clips.clip().read_bytes())
    result: Map = daemon.result("delete", job_id=view["id"])
    assert result["removed"] == [str(made)]
    assert never.exists()
    assert broken.exists()


def test_the_work_folder_goes_with_the_job(daemon: Daemon) -> None:
    job_id = completed(daemon, daemon.out / "work.mp4")
    assert list(daemon.data.rglob(f"*{job_id}*"))
    daemon.result("delete", job_id=job_id)
    assert not list(daemon.data.rglob(f"*{job_id}*"))


def test_the_deleted_event_says_what_was_removed(daemon: Daemon) -> None:
    target = daemon.out / "told.mp4"
    job_id = completed(daemon, target)
    daemon.result("delete", job_id=job_id)
    assert daemon.event(job_id, "deleted")["data"]["removed"] == [str(target)]
