"""`rushes wait`: what jobs come to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contract import JOB, check
from tests.support.daemon import Daemon, serving
from tests.support.endings import completed, dying
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.shell import DONE, ESCAPE, INTERRUPTED, REFUSED, Shell


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


# ---------------------------------------------------------------- wait


def test_wait_ends_with_the_jobs_and_with_zero_where_all_are_completed(daemon: Daemon, shell: Shell) -> None:
    ids = [daemon.submit(quick(daemon.out / f"{name}.mp4"))["id"] for name in "ab"]
    ran = shell.run("wait", *ids)
    assert (ran.status, ran.out) == (DONE, "")
    for job_id in ids:
        assert f"{job_id}  completed" in ran.err
        assert daemon.view(job_id)["status"] == "completed"


def test_wait_ends_with_one_and_the_reason_of_each_that_is_not_completed(daemon: Daemon, shell: Shell) -> None:
    failed, done = dying(daemon, "fails"), completed(daemon, "does")
    cancelled = daemon.rendering(lasting(daemon.out / "stops.mp4"))
    daemon.result("cancel", job_id=cancelled, reason="wrong take")
    said = shell.fails(REFUSED, "wait", failed, done, cancelled)
    assert f"rushes: {failed}: failed: " in said
    assert f"rushes: {cancelled}: cancelled by " in said
    assert "wrong take" in said
    assert f"rushes: {done}" not in said


def test_wait_as_json_has_the_views(daemon: Daemon, shell: Shell) -> None:
    first, second = completed(daemon, "first"), completed(daemon, "second")
    one, both = shell.result("wait", first), shell.result("wait", first, second)
    assert one.keys() == {"job"}
    assert both.keys() == {"jobs"}
    for job in (one["job"], *both["jobs"]):
        check(job, JOB)
    assert [job["id"] for job in both["jobs"]] == [first, second]


def test_wait_gives_up_after_its_timeout_and_stops_nothing(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "long.mp4"))
    said = shell.fails(REFUSED, "wait", job_id, "--timeout", "0.1")
    assert f"{job_id}: is still processing after 0.1 s" in said
    assert daemon.view(job_id)["status"] == "processing"


def test_wait_at_a_terminal_draws_a_bar_and_ctrl_c_says_how_to_go_on(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "bar.mp4", 60))
    with shell.terminal("wait", job_id) as terminal:
        said = terminal.await_text("bar.mp4")
        assert job_id[:8] in said
        terminal.interrupt()
        assert terminal.ended() == INTERRUPTED
    assert f"Nothing was stopped; to go on waiting: rushes wait {job_id}" in terminal.text
    assert ESCAPE in terminal.shown
    assert daemon.view(job_id)["status"] == "processing"


def test_a_job_that_is_deleted_meanwhile_ends_the_wait(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "deleted.mp4"))
    with shell.behind("wait", job_id) as wait:
        eventually(lambda: job_id in wait.err, "it waits")
        daemon.result("delete", job_id=job_id, force=True, wait=30)
        assert wait.ended() == REFUSED
        assert f"rushes: {job_id}: " in wait.err, "cancelled, or gone when it was looked at"
