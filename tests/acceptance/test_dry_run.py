"""PROTOCOL.md, `dry_run`: what would happen is said, and nothing is changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.contract import JOB, check
from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.shell import Shell
from tests.support.wire import Map

NAME_BYTES = 255
"""What a name in a folder may have (NAME_MAX)."""


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=1, ffmpeg=temperamental) as daemon:
        yield daemon


def would(daemon: Daemon, kind: str, **fields: Any) -> Map:
    """The result of a command that is only tried; with the proof that it left no trace."""
    before = state_of(daemon)
    result = daemon.result(kind, dry_run=True, **fields)
    assert result["dry_run"] is True
    assert state_of(daemon) == before
    return result


def state_of(daemon: Daemon) -> tuple[Map, list[Map], list[Map], set[Path]]:
    """All that a command could have changed."""
    status = daemon.result("status")
    jobs = [{**job, "progress": None, "outputs": None, "phase": None} for job in daemon.result("list")["jobs"]]
    files = {path for path in daemon.out.iterdir() if not path.name.startswith(".")}
    return {**status, "uptime": 0}, jobs, daemon.result("audit")["entries"], files


def test_a_submit_says_where_the_job_would_stand(held: Daemon) -> None:
    held.submit(quick(held.out / "first.mp4"))
    result = would(held, "submit", job=quick(held.out / "second.mp4"))
    assert (result["job"]["id"], result["job"]["status"], result["job"]["position"]) == ("", "queued", 2)
    front = would(held, "submit", job=quick(held.out / "third.mp4", priority=5))
    assert front["job"]["position"] == 1


def test_what_would_be_refused_is_refused(held: Daemon) -> None:
    job = quick(held.out / "taken.mp4")
    held.submit(job)
    assert held.refusal("submit", dry_run=True, job=job)["code"] == "conflict"
    missing = held.refusal("submit", dry_run=True, job={**job, "inputs": [{"path": "/nowhere.mov"}]})
    assert missing["code"] == "invalid"
    for kind in ("cancel", "delete", "retry"):
        assert held.refusal(kind, dry_run=True, job_id="nobody")["code"] == "not_found"
    assert held.refusal("boost", dry_run=True, job_id="nobody", front=True)["code"] == "not_found"


def test_the_same_id_may_be_used_for_the_command_itself(held: Daemon) -> None:
    job = quick(held.out / "same-id.mp4")
    held.result("submit", id="tried-first", job=job, dry_run=True)
    assert held.result("submit", id="tried-first", job=job)["job"]["id"]


def test_a_cancel_of_a_queued_job_would_leave_what_is_complete(held: Daemon) -> None:
    job_id = held.submit(quick(held.out / "queued.mp4"))["id"]
    result = would(held, "cancel", job_id=job_id)
    assert (result["changed"], result["job"]["status"]) == (True, "cancelled")
    assert result["files"] == {"removed": [], "kept": []}


def test_a_cancel_of_a_running_job_would_remove_what_is_being_made(daemon: Daemon) -> None:
    done, making = daemon.out / "done.mp4", daemon.out / "making.mp4"
    job = {"outputs": [{**quick(done)["outputs"][0], "inputs": quick(done)["inputs"]},
                       {**lasting(making)["outputs"][0], "inputs": lasting(making)["inputs"]}]}  # fmt: skip
    job_id = daemon.submit(job)["id"]
    eventually(lambda: daemon.kinds(job_id).count("output_started") == 2, "the second output renders")
    (partial,) = _partials(daemon, job_id)
    result = would(daemon, "cancel", job_id=job_id)
    assert (result["job"]["status"], result["job"]["phase"]) == ("processing", "stopping")
    assert result["files"] == {"removed": [str(partial)], "kept": [str(done)]}
    forced = would(daemon, "delete", job_id=job_id, force=True)
    assert sorted(forced["removed"]) == sorted([str(done), str(partial)])
    assert daemon.result("cancel", job_id=job_id, wait=20)["job"]["status"] == "cancelled"
    assert not partial.exists()
    again = would(daemon, "cancel", job_id=job_id)
    assert (again["changed"], again["files"]["removed"]) == (False, [])


def test_a_delete_of_a_running_job_says_what_it_could_not_look_at(daemon: Daemon) -> None:
    folder, away = daemon.out / "lost", daemon.out / "away"
    folder.mkdir()
    job_id = daemon.rendering(lasting(folder / "long.mp4"))
    partial = eventually(lambda: next((path for path in folder.iterdir() if job_id in path.name), None), "it writes")
    folder.rename(away)
    folder.symlink_to(
        "n" * (NAME_BYTES + 1)
    )  # as a server that does not answer: an error, and not that nothing is there
    forced = would(daemon, "delete", job_id=job_id, force=True)
    assert (forced["removed"], forced["missing"]) == ([], [])
    assert forced["failed"] == [{"path": str(partial), "message": "File name too long"}]
    folder.unlink()
    away.rename(folder)
    assert daemon.result("delete", job_id=job_id, force=True, wait=20)["status"] == "deleted"


def _partials(daemon: Daemon, job_id: str) -> list[Path]:
    """What FFmpeg has opened."""
    return eventually(lambda: [path for path in daemon.out.iterdir() if job_id in path.name], "FFmpeg writes")


def test_a_delete_says_what_would_become_of_each_file(daemon: Daemon) -> None:
    names = ("same", "other", "gone")
    same, other, gone = (daemon.out / f"{name}.mp4" for name in names)
    job_id = daemon.finish(quick(same, other, gone))["id"]
    other.unlink()
    other.write_text("somebody else's")
    gone.unlink()
    result = would(daemon, "delete", job_id=job_id)
    assert (result["removed"], result["missing"]) == ([str(same)], [str(gone)])
    assert [left["path"] for left in result["failed"]] == [str(other)]
    assert result["deleted_at"] is None
    assert would(daemon, "delete", job_id=job_id, keep_files=True)["removed"] == []
    deleted = daemon.result("delete", job_id=job_id)
    assert {name: deleted[name] for name in ("removed", "missing", "failed")} == {
        name: result[name] for name in ("removed", "missing", "failed")
    }


def test_a_running_job_would_not_be_deleted_without_force(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "running.mp4"))
    assert daemon.refusal("delete", dry_run=True, job_id=job_id)["code"] == "conflict"


def test_a_boost_says_the_place_that_the_job_would_have(held: Daemon) -> None:
    *_, last = [held.submit(quick(held.out / f"boost-{number}.mp4"))["id"] for number in range(3)]
    for fields, place, priority in (({"front": True}, 1, 0), ({"priority": -5}, 3, -5), ({"by": 7}, 1, 7)):
        result = would(held, "boost", job_id=last, **fields)
        check(result["job"], JOB)
        assert (result["position"], result["job"]["priority"]) == (place, priority)
    assert held.result("boost", job_id=last, front=True)["position"] == 1


def test_a_retry_says_the_place_that_the_job_would_have(daemon: Daemon) -> None:
    job_id = daemon.finish(tempered(quick(daemon.out / "failed.mp4"), "dying"))["id"]
    daemon.result("drain")
    daemon.submit(quick(daemon.out / "waits.mp4"))
    result = would(daemon, "retry", job_id=job_id)
    assert (result["job"]["status"], result["job"]["position"]) == ("queued", 1)
    assert daemon.view(job_id)["status"] == "failed"


def test_whoever_may_not_do_it_may_not_try_it() -> None:
    with serving(slots=1, env={"RUSHES_DEFAULT_ROLE": "viewer"}) as daemon:
        refusal = daemon.refusal("submit", dry_run=True, job=quick(daemon.out / "forbidden.mp4"))
        assert refusal["code"] == "forbidden"


def test_trying_from_a_shell(daemon: Daemon) -> None:
    shell = Shell(daemon.bus, daemon.out)
    target = daemon.out / "shell.mp4"
    job_id = daemon.finish(quick(target, name="scene"))["id"]
    assert shell.do("delete", "--dry-run", job_id) == f"{job_id} would be deleted\n  would remove  {target}\n"
    daemon.result("drain")
    source = str(target)
    said = shell.do("submit", "--dry-run", source, str(daemon.out / "copy.mp4"))
    assert said.splitlines() == ["would be queued at place 1: copy.mp4", f"  would make    {daemon.out}/copy.mp4"]
    waits = daemon.submit(quick(daemon.out / "waits-too.mp4", name="waits"))["id"]
    assert shell.do("cancel", "--dry-run", waits) == f"{waits} would be cancelled: waits\n"
    said = shell.do("boost", "--dry-run", "--priority", "3", waits)
    assert said == f"{waits} would have priority 3, place 1 in the queue: waits\n"
    assert shell.fails(1, "retry", "--dry-run", waits).startswith("rushes: conflict: ")
    assert shell.result("cancel", "--dry-run", waits, "--json")["dry_run"] is True
    assert daemon.view(waits)["status"] == "queued"
    assert target.exists()


def test_of_several_that_are_tried_by_themselves_no_place_is_told(daemon: Daemon) -> None:
    shell = Shell(daemon.bus, daemon.out)
    failed = [daemon.finish(tempered(quick(daemon.out / f"f-{n}.mp4", session="all"), "dying"))["id"] for n in "ab"]
    daemon.result("drain")
    ids = [daemon.submit(quick(daemon.out / f"{n}.mp4", session="all", name=n))["id"] for n in "cd"]
    said = shell.do("boost", "--session", "all", "--priority", "3", "--dry-run")
    assert said.splitlines() == [f"{one} would have priority 3: {n}" for one, n in zip(ids, "cd", strict=True)]
    results = shell.result("boost", *ids, "--front", "--dry-run")["results"]
    assert [(one["result"]["position"], one["result"]["job"]["position"]) for one in results] == [(None, None)] * 2
    said = shell.do("retry", "--session", "all", "--dry-run")
    assert [line for line in said.splitlines() if "queued" in line] == [
        f"{one} would be queued again: f-{n}.mp4" for one, n in zip(failed, "ab", strict=True)
    ]


def test_files_that_would_stay_are_named(daemon: Daemon) -> None:
    target = daemon.out / "stays.mp4"
    job_id = daemon.finish(quick(target))["id"]
    said = Shell(daemon.bus, daemon.out).do("delete", "--dry-run", "--keep-files", job_id)
    assert said == f"{job_id} would be deleted\n  would keep    {target}\n"
