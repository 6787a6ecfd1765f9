"""PROTOCOL.md, `why` and `session`: what a job waits for, what it came to, and jobs that belong together."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.contract import JOB, check
from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.shell import Shell
from tests.support.wire import Map


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots="cpu=1,nvenc=1", ffmpeg=temperamental, env={"RUSHES_RETRY_DELAY": "300"}) as daemon:
        yield daemon


def why(daemon: Daemon, job_id: str) -> Map:
    result = daemon.result("why", job_id=job_id)
    check(result["job"], JOB)
    return result


def codes(result: Map) -> list[str]:
    return [reason["code"] for reason in result["reasons"]]


def said(result: Map) -> str:
    return " | ".join(reason["message"] for reason in result["reasons"])


def test_one_that_waits_for_its_turn(daemon: Daemon) -> None:
    daemon.rendering(lasting(daemon.out / "runs.mp4"))
    daemon.submit(quick(daemon.out / "before.mp4"))
    result = why(daemon, daemon.submit(quick(daemon.out / "waits.mp4"))["id"])
    assert (codes(result), result["ahead"]) == (["queue", "slots"], 1)
    assert said(result) == "1 job is before it in the queue | 1 of 1 cpu taken by running jobs"


def test_one_that_waits_for_the_daemon_and_for_a_person(held: Daemon) -> None:
    job_id = held.submit(quick(held.out / "held.mp4"))["id"]
    held.result("pause", job_id=job_id)
    result = why(held, job_id)
    assert codes(result) == ["draining", "paused"]
    assert "`rushes resume`" in said(result)
    assert "`rushes unpause`" in said(result)
    assert result["estimate"] is None


def test_one_that_takes_more_than_there_is(daemon: Daemon) -> None:
    daemon.rendering(lasting(daemon.out / "encoder.mp4", resources={"nvenc": 1}))
    job_id = daemon.submit({**quick(daemon.out / "large.mp4"), "resources": {"nvenc": 1}})["id"]
    daemon.result("slots", slots={"nvenc": 0})
    result = why(daemon, job_id)
    assert codes(result)[0] == "slots"
    assert "it takes 1 nvenc, and there are 0 in all; `rushes slots` changes that" in said(result)
    daemon.result("slots", slots={"nvenc": 1})


def test_one_that_waits_for_its_next_attempt(daemon: Daemon) -> None:
    job_id = daemon.submit(tempered(quick(daemon.out / "again.mp4", max_attempts=2), "crashing"))["id"]
    daemon.event(job_id, "requeued")
    result = why(daemon, job_id)
    assert codes(result) == ["retry"]
    fault = daemon.event(job_id, "requeued")["data"]["error"]
    assert f"attempt 1 failed ({fault['code']}: {fault['message']}); the next begins at " in said(result)


def test_one_that_runs_says_how_far_it_is_and_when_it_may_end(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "far.mp4", 5))
    eventually(lambda: "its own pace" in ((why(daemon, job_id)["estimate"] or {}).get("basis", "")), "it has a pace")
    result = why(daemon, job_id)
    assert codes(result) == ["running"]
    assert f"FFmpeg makes output 1 of 1, {daemon.out}/far.mp4: " in said(result)
    assert result["estimate"]["start"] is None
    assert datetime.fromisoformat(result["estimate"]["end"]) > datetime.now(UTC)
    daemon.result("pause", job_id=job_id)
    daemon.event(job_id, "paused")
    paused = why(daemon, job_id)
    assert (codes(paused), paused["estimate"]) == (["paused"], None)


def test_an_estimate_comes_from_what_jobs_took_here(daemon: Daemon) -> None:
    daemon.finish(quick(daemon.out / "known.mp4"))
    runs = daemon.rendering(lasting(daemon.out / "long.mp4", 10))
    job_id = daemon.submit(quick(daemon.out / "estimated.mp4"))["id"]
    estimate = eventually(lambda: why(daemon, job_id)["estimate"], "what runs has a pace")
    assert datetime.now(UTC) < datetime.fromisoformat(estimate["start"]) < datetime.fromisoformat(estimate["end"])
    assert "to complete took" in estimate["basis"]
    daemon.result("pause", job_id=runs)
    daemon.event(runs, "paused")
    assert why(daemon, job_id)["estimate"] is None  # nobody knows for how long


def test_nobody_can_tell_when_a_job_ends_whose_length_is_not_known(daemon: Daemon) -> None:
    daemon.finish(quick(daemon.out / "short.mp4"))
    source = {"path": "testsrc=size=64x36:rate=10", "args": ["-re", "-f", "lavfi"]}
    job = {"inputs": [source], "outputs": [{"path": str(daemon.out / "endless.mp4"), "args": ["-c:v", "mpeg4"]}]}
    job_id = daemon.rendering(job)
    eventually(lambda: why(daemon, job_id)["estimate"] is None, "it takes longer than is usual")
    waits = daemon.submit(quick(daemon.out / "behind.mp4"))["id"]
    assert why(daemon, waits)["estimate"] is None


def test_what_has_ended_says_how(daemon: Daemon) -> None:
    done = daemon.finish(quick(daemon.out / "done.mp4"))["id"]
    assert codes(why(daemon, done)) == ["completed"]
    failed = daemon.finish(tempered(quick(daemon.out / "failed.mp4"), "dying"))
    assert codes(why(daemon, failed["id"])) == [failed["error"]["code"]]
    cancelled = daemon.rendering(lasting(daemon.out / "cancelled.mp4"))
    daemon.result("cancel", job_id=cancelled, reason="wrong LUT", notes="see mail", wait=20)
    assert "cancelled it (wrong LUT: see mail)" in said(why(daemon, cancelled))
    assert daemon.refusal("why", job_id="nobody")["code"] == "not_found"


def test_a_stop_that_takes_its_time(daemon: Daemon) -> None:
    job_id = daemon.rendering(tempered(lasting(daemon.out / "stubborn.mp4"), "stubborn"))
    daemon.result("cancel", job_id=job_id, reason="too long")
    result = why(daemon, job_id)
    assert codes(result) == ["stopping"]
    assert "(too long); FFmpeg has not ended yet" in said(result)


def test_asking_from_a_shell(held: Daemon) -> None:
    shell = Shell(held.bus, held.out)
    job_id = held.submit(quick(held.out / "shell.mp4", name="\x1b[31mscene"))["id"]
    first, reason = shell.do("why", job_id).splitlines()
    assert first == f"{job_id} is queued, place 1 in the queue: ␛[31mscene"
    assert reason == "  the daemon is draining: no job is started until `rushes resume`"
    held.result("resume")
    held.outcome(job_id)
    assert "it made its output" in shell.do("why", job_id)
    assert "not_found" in shell.fails(1, "why", "abcd")


def test_times_are_on_the_readers_own_clock_as_everywhere(held: Daemon) -> None:
    job_id = held.submit(quick(held.out / "clock.mp4"))["id"]
    at = held.result("pause", job_id=job_id)["job"]["paused"]["at"]
    local = (datetime.fromisoformat(at) + timedelta(hours=9)).strftime("%m-%d %H:%M:%S")
    here = Shell(held.bus, held.out, {"TZ": "KST-9"})
    assert f" paused it at {local}; " in here.do("why", job_id)
    assert f" paused it at {local}\n" in here.do("show", job_id)


def test_what_only_looks_like_a_time_is_left_as_it_is(held: Daemon) -> None:
    shell = Shell(held.bus, held.out)
    job_id = held.submit(quick(held.out / "no-clock.mp4"))["id"]
    held.result("cancel", job_id=job_id, reason="at 2026-02-31T25:61:00.000000Z")
    assert "cancelled it (at 2026-02-31T25:61:00.000000Z)" in shell.do("why", job_id)


# ---------------------------------------------------------------- sessions


def test_a_session_is_summed_up(daemon: Daemon) -> None:
    session = "summed up"
    daemon.finish(quick(daemon.out / "s-done.mp4", session=session))
    daemon.finish(tempered(quick(daemon.out / "s-failed.mp4", session=session), "dying"))
    running = daemon.rendering(lasting(daemon.out / "s-runs.mp4", session=session))
    daemon.submit(quick(daemon.out / "s-waits.mp4", session=session))
    result = daemon.result("session", session=session)
    assert result["counts"] == {"cancelled": 0, "completed": 1, "failed": 1, "processing": 1, "queued": 1}
    assert (result["session"], result["total"], result["finished_at"]) == (session, 4, None)
    assert 0.5 <= result["progress"] < 0.75
    daemon.result("cancel", job_id=running, wait=20)
    for job in daemon.result("list", session=session)["jobs"]:
        daemon.outcome(job["id"])
    ended = daemon.result("session", session=session)
    assert ended["progress"] == 1
    assert ended["created_at"] <= ended["started_at"] < ended["finished_at"]


def test_a_session_without_jobs_is_none(daemon: Daemon) -> None:
    assert daemon.refusal("session", session="nobody's")["code"] == "not_found"
    assert daemon.refusal("session", session="x" * 201)["code"] == "invalid"


def test_a_session_from_a_shell(daemon: Daemon) -> None:
    shell = Shell(daemon.bus, daemon.out)
    daemon.result("drain")
    for name in ("one", "two"):
        daemon.submit(quick(daemon.out / f"shell-{name}.mp4", session="shell"))
    assert shell.do("session", "shell").startswith("shell: 2 jobs, queued 2\n")
    daemon.result("resume")
    with shell.behind("session", "shell", "--wait") as waiting:
        assert waiting.ended() == 0
        assert waiting.out.startswith("shell: 2 jobs, completed 2\n")
    failed = daemon.finish(tempered(quick(daemon.out / "shell-three.mp4", session="shell"), "flaky"))["id"]
    ran = shell.run("session", "shell", "--wait")
    assert (ran.status, "1 job did not complete" in ran.err) == (1, True)
    assert shell.do("retry", "--session", "shell", "--wait")
    assert daemon.view(failed)["status"] == "completed"
    assert "not_found" in shell.fails(1, "session", "nobody's")
