"""`rushes cancel`, `boost`, `retry` and `delete` of one job: what each does and prints, plain and as JSON."""

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contract import DELETED, JOB, check
from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.shell import REFUSED, WRONG_USAGE, Shell

ME = getpass.getuser()


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


def queued(daemon: Daemon, name: str, priority: int = 0) -> str:
    """A job in the queue of a daemon that is held."""
    return str(daemon.submit(quick(daemon.out / f"{name}.mp4", name=name, priority=priority))["id"])


def completed(daemon: Daemon, name: str) -> str:
    return str(daemon.finish(quick(daemon.out / f"{name}.mp4"))["id"])


def failed(daemon: Daemon, name: str, temper: str = "dying") -> str:
    job = daemon.finish(tempered(quick(daemon.out / f"{name}.mp4"), temper))
    assert job["status"] == "failed"
    return str(job["id"])


# ---------------------------------------------------------------- cancel


def test_cancel_stops_a_queued_job_at_once_and_asks_nothing(held: Daemon, shell: Shell) -> None:
    job_id = queued(held, "queued")
    assert shell.do("cancel", job_id, "--reason", "wrong take", "--notes", "see 7") == f"{job_id} cancelled\n"
    cancel = held.view(job_id)["cancel"]
    assert (cancel["by"], cancel["reason"], cancel["notes"]) == (ME, "wrong take", "see 7")
    assert f"{job_id} was already cancelled by {ME}" in shell.do("cancel", job_id)


def test_cancel_of_a_running_job_says_that_it_stops_and_with_wait_that_it_has(daemon: Daemon, shell: Shell) -> None:
    first, second = (daemon.rendering(lasting(daemon.out / f"{name}.mp4")) for name in "ab")
    assert shell.do("cancel", first) == f"{first} stopping\n"
    assert shell.do("cancel", second, "--wait") == f"{second} cancelled\n"
    assert not (daemon.out / "b.mp4").exists()


def test_cancel_as_json_is_the_result_of_the_protocol(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "json.mp4"))
    result = shell.result("cancel", job_id, "--wait")
    assert result.keys() == {"job", "changed"}
    check(result["job"], JOB)
    assert (result["job"]["status"], result["changed"]) == ("cancelled", True)
    assert shell.result("cancel", job_id)["changed"] is False


def test_cancel_of_a_job_that_has_ended_is_refused_in_one_sentence(daemon: Daemon, shell: Shell) -> None:
    said = shell.fails(REFUSED, "cancel", completed(daemon, "done"))
    assert said == "rushes: conflict: the job is done; there is nothing to cancel\n"
    said = shell.fails(REFUSED, "cancel", failed(daemon, "failed"))
    assert said == "rushes: conflict: the job has failed; there is nothing to cancel\n"


# ---------------------------------------------------------------- boost


def test_boost_moves_a_job_and_says_its_place(held: Daemon, shell: Shell) -> None:
    first, second, third = (queued(held, name) for name in "abc")
    assert shell.do("boost", third, "--front") == f"{third} has priority 0, place 1 in the queue: c\n"
    assert shell.do("boost", second, "--priority", "-5") == f"{second} has priority -5, place 3 in the queue: b\n"
    assert shell.do("boost", first, "--by", "7") == f"{first} has priority 7, place 1 in the queue: a\n"


def test_boost_as_json_is_the_result_of_the_protocol(held: Daemon, shell: Shell) -> None:
    queued(held, "other")
    result = shell.result("boost", queued(held, "mine"), "--by", "1")
    assert result.keys() == {"job", "position"}
    check(result["job"], JOB)
    assert (result["position"], result["job"]["position"], result["job"]["priority"]) == (1, 1, 1)


def test_boost_of_several_says_the_place_that_each_has_in_the_end(held: Daemon, shell: Shell) -> None:
    ids = {name: queued(held, name) for name in "abcd"}
    said = shell.do("boost", ids["d"], ids["b"], "--front").splitlines()
    assert said == [
        f"{ids['d']} has priority 0, place 1 in the queue: d",
        f"{ids['b']} has priority 0, place 2 in the queue: b",
    ]
    entries = shell.result("boost", ids["c"], ids["a"], "--front")["results"]
    assert {entry["job_id"]: entry["result"]["position"] for entry in entries} == {ids["c"]: 1, ids["a"]: 2}


def test_boost_needs_a_queued_job_and_one_place_to_go(daemon: Daemon, shell: Shell) -> None:
    done = completed(daemon, "unmoved")
    assert "only a queued job can be boosted" in shell.fails(REFUSED, "boost", done, "--front")
    for words in ([], ["--front", "--by", "1"]):
        assert "--priority, --by and --front" in shell.fails(WRONG_USAGE, "boost", done, *words)
    assert "-1000 to 1000" in shell.fails(WRONG_USAGE, "boost", done, "--priority", "1001")


# ---------------------------------------------------------------- retry


def test_retry_queues_a_failed_job_and_prints_its_line(daemon: Daemon, shell: Shell) -> None:
    job_id = failed(daemon, "again", "flaky")
    assert shell.do("retry", job_id).startswith(job_id)
    assert daemon.outcome(job_id)["status"] == "completed"
    assert "only a failed job can be retried" in shell.fails(REFUSED, "retry", job_id)


def test_retry_with_wait_ends_as_the_job_does(daemon: Daemon, shell: Shell) -> None:
    result = shell.result("retry", failed(daemon, "mended", "flaky"), "--wait")
    assert result.keys() == {"job"}
    check(result["job"], JOB)
    assert result["job"]["status"] == "completed"
    doomed = failed(daemon, "doomed")
    assert f"{doomed}: failed: " in shell.fails(REFUSED, "retry", doomed, "--wait")


# ---------------------------------------------------------------- delete


def test_delete_says_what_became_of_each_file(daemon: Daemon, shell: Shell) -> None:
    paths = [daemon.out / f"{name}.mp4" for name in ("mine", "gone", "other")]
    job_id = daemon.finish(quick(*paths))["id"]
    paths[1].unlink()
    paths[2].write_text("somebody else's")
    lines = shell.do("delete", job_id, "--yes").splitlines()
    assert lines[:3] == [f"{job_id} deleted", f"  removed  {paths[0]}", f"  missing  {paths[1]}"]
    assert lines[3].startswith(f"  failed   {paths[2]}: ")
    assert [path.exists() for path in paths] == [False, False, True]
    assert "not_found" in shell.fails(REFUSED, "show", job_id)


def test_delete_as_json_is_the_result_of_the_protocol(daemon: Daemon, shell: Shell) -> None:
    job_id = completed(daemon, "json")
    result = shell.result("delete", job_id, "--yes")
    check(result, DELETED)
    assert (result["job_id"], result["status"]) == (job_id, "deleted")
    assert result["removed"] == [str(daemon.out / "json.mp4")]


def test_delete_with_keep_files_names_the_files_that_stay(daemon: Daemon, shell: Shell) -> None:
    kept = daemon.out / "kept.mp4"
    job_id = completed(daemon, "kept")
    assert shell.do("delete", job_id, "--keep-files", "--yes") == f"{job_id} deleted\n  kept     {kept}\n"
    assert kept.exists()


def test_delete_of_a_job_that_is_still_to_run_needs_force(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "running.mp4"))
    said = shell.fails(REFUSED, "delete", job_id, "--yes")
    assert said == "rushes: conflict: the job is processing; --force cancels it first\n"
    assert daemon.view(job_id)["status"] == "processing"
    assert shell.do("delete", job_id, "--force", "--yes") == f"{job_id} deleted\n"
    assert daemon.refusal("get", job_id=job_id)["code"] == "not_found"
