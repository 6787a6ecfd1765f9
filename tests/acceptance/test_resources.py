"""PROTOCOL.md: `resources` and `slots`. Who runs beside whom, in which order, and that nobody waits for ever."""

from collections.abc import Iterator

import pytest

from tests.support.contract import JOB, check
from tests.support.daemon import Daemon, serving
from tests.support.jobs import lasting
from tests.support.shell import Shell
from tests.support.wire import Map


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    with serving(slots="cpu=4,nvenc=1") as found:
        yield found


@pytest.fixture
def daemon(daemon: Daemon) -> Daemon:
    """One with four slots for processors and one for an encoder, whatever the test before has made of them."""
    daemon.result("slots", slots={"cpu": 4, "nvenc": 1})
    return daemon


def submit(daemon: Daemon, name: str, priority: int = 0, /, **resources: int) -> str:
    job = lasting(daemon.out / f"{name}.mp4", name=name, priority=priority)
    return str(daemon.submit(job | {"resources": resources} if resources else job)["id"])


def names(daemon: Daemon, status: str) -> set[str]:
    return {job["name"] for job in daemon.result("list", status=[status])["jobs"]}


def running(daemon: Daemon) -> set[str]:
    return names(daemon, "processing")


def end(daemon: Daemon, job_id: str) -> None:
    daemon.result("cancel", job_id=job_id, wait=20)


def used(daemon: Daemon) -> dict[str, int]:
    return {name: one["used"] for name, one in daemon.result("status")["resources"].items()}


def test_a_job_shows_what_it_takes_and_the_daemon_what_is_taken(daemon: Daemon) -> None:
    both = submit(daemon, "both", cpu=2, nvenc=1)
    one = submit(daemon, "one")
    view = daemon.view(both)
    check(view, JOB)
    assert (view["resources"], daemon.view(one)["resources"]) == ({"cpu": 2, "nvenc": 1}, {"cpu": 1})
    status = daemon.result("status")
    assert status["resources"] == {"cpu": {"total": 4, "used": 3}, "nvenc": {"total": 1, "used": 1}}
    assert (status["slots"], status["running"]) == (4, 2)
    end(daemon, both)
    assert used(daemon) == {"cpu": 1, "nvenc": 0}


def test_what_fits_runs_at_once_and_no_more_than_that(daemon: Daemon) -> None:
    for number in range(4):
        submit(daemon, f"two-{number}", cpu=2)
    assert running(daemon) == {"two-0", "two-1"}
    assert used(daemon)["cpu"] == 4


def test_a_job_that_needs_another_resource_does_not_wait_for_those_before_it(daemon: Daemon) -> None:
    submit(daemon, "full", cpu=4)
    submit(daemon, "waits")
    submit(daemon, "encoder", nvenc=1)
    assert running(daemon) == {"full", "encoder"}


def test_small_jobs_do_not_overtake_a_large_one_for_ever(daemon: Daemon) -> None:
    first = submit(daemon, "first", cpu=3)
    large = submit(daemon, "large", cpu=4)
    small = submit(daemon, "small")
    assert running(daemon) == {"first"}  # one slot is free, which the large one is to have
    end(daemon, first)
    assert running(daemon) == {"large"}
    end(daemon, large)
    assert running(daemon) == {"small"}
    end(daemon, small)


def test_what_is_left_beside_a_large_job_that_waits_is_for_those_behind_it(daemon: Daemon) -> None:
    submit(daemon, "encoder", nvenc=1)
    submit(daemon, "also-encoder", cpu=2, nvenc=1)
    submit(daemon, "two", cpu=2)
    submit(daemon, "one-more")
    assert running(daemon) == {"encoder", "two"}  # two of four are kept for the second, and two are not


def test_priority_goes_before_what_would_fit(daemon: Daemon) -> None:
    first = submit(daemon, "first", cpu=4)
    submit(daemon, "low")
    submit(daemon, "high", 5, cpu=4)
    end(daemon, first)
    assert running(daemon) == {"high"}


@pytest.mark.parametrize(
    ("resources", "path"),
    [
        ({"tape": 1}, "job.resources.tape"),
        ({"cpu": 5}, "job.resources.cpu"),
        ({"cpu": 0}, "job.resources"),
        ({"cpu": "2"}, "job.resources"),
        ({"CPU": 1}, "job.resources"),
        ({}, "job.resources"),
        ([], "job.resources"),
    ],
    ids=str,
)
def test_a_job_that_could_never_start_is_refused(daemon: Daemon, resources: object, path: str) -> None:
    refusal = daemon.refusal("submit", job={**lasting(daemon.out / "never.mp4"), "resources": resources})
    assert refusal["code"] == "invalid"
    assert refusal["details"]["path"].startswith(path)


# ---------------------------------------------------------------- slots


def test_more_slots_start_what_waits_and_fewer_end_nothing(daemon: Daemon) -> None:
    for number in range(6):
        submit(daemon, f"job-{number}")
    assert daemon.result("slots", slots={"cpu": 5}) == {"slots": {"cpu": 5, "nvenc": 1}, "was": {"cpu": 4, "nvenc": 1}}
    assert running(daemon) == {f"job-{number}" for number in range(5)}
    daemon.result("slots", slots={"cpu": 2})
    assert len(running(daemon)) == 5
    assert daemon.result("status")["resources"]["cpu"] == {"total": 2, "used": 5}


def test_a_change_of_slots_is_told_and_audited_and_outlives_the_daemon(daemon: Daemon) -> None:
    before, audited = daemon.result("status")["last_seq"], daemon.result("audit")["last_seq"]
    daemon.result("slots", slots={"cpu": 1, "nvenc": 0})
    [told] = daemon.events(since=before)
    assert (told["type"], told["data"]["slots"]) == ("daemon.slots", {"cpu": 1, "nvenc": 0})
    [entry] = daemon.result("audit", since=audited)["entries"]
    assert (entry["type"], entry["by"]) == ("slots", told["by"])
    daemon.kill9()
    daemon.start()
    assert daemon.result("status")["slots"] == 1
    daemon.kill9()
    daemon.start(slots="cpu=3,nvenc=1")  # the configuration says something new
    assert {name: one["total"] for name, one in daemon.result("status")["resources"].items()} == {"cpu": 3, "nvenc": 0}


def test_a_number_that_the_configuration_has_overruled_does_not_come_back(daemon: Daemon) -> None:
    daemon.result("slots", slots={"cpu": 1})
    for configured in (3, 4):  # and back to what it was when the number was set
        daemon.kill9()
        daemon.start(slots=f"cpu={configured},nvenc=1")
        assert daemon.result("status")["slots"] == configured


def test_a_job_may_ask_for_what_the_configuration_says_while_there_is_less(daemon: Daemon) -> None:
    daemon.result("slots", slots={"cpu": 0, "nvenc": 0})
    waits = submit(daemon, "waits", cpu=4, nvenc=1)
    assert daemon.view(waits)["status"] == "queued"
    daemon.result("slots", slots={"cpu": 4, "nvenc": 1})
    assert running(daemon) == {"waits"}


def test_a_job_that_takes_more_than_there_is_now_keeps_nobody_waiting(daemon: Daemon) -> None:
    first = submit(daemon, "first", cpu=4)
    submit(daemon, "large", cpu=4)
    submit(daemon, "small")
    daemon.result("slots", slots={"cpu": 2})
    end(daemon, first)
    assert running(daemon) == {"small"}
    assert names(daemon, "queued") == {"large"}


def test_of_what_the_configuration_does_not_name_any_more_no_command_can_give_it_some(daemon: Daemon) -> None:
    daemon.result("drain")
    waits = submit(daemon, "waits", nvenc=1)
    daemon.restart(slots="cpu=4")
    daemon.result("resume")
    [reason] = daemon.result("why", job_id=waits)["reasons"]
    assert reason == {
        "code": "slots", "message": "it takes 1 nvenc, which the daemon's configuration does not name any more",
    }  # fmt: skip
    assert daemon.refusal("slots", slots={"nvenc": 1})["code"] == "invalid"
    daemon.restart(slots="cpu=4,nvenc=1")
    assert running(daemon) == {"waits"}


@pytest.mark.parametrize(
    ("slots", "path"), [({}, "slots"), ({"tape": 1}, "slots.tape"), ({"cpu": -1}, "slots"), ({"cpu": 1025}, "slots")],
    ids=str,
)  # fmt: skip
def test_slots_that_cannot_be_are_refused(daemon: Daemon, slots: Map, path: str) -> None:
    refusal = daemon.refusal("slots", slots=slots)
    assert (refusal["code"], refusal["details"]["path"].startswith(path)) == ("invalid", True)
    assert daemon.result("status")["slots"] == 4


def test_slots_from_a_shell(daemon: Daemon) -> None:
    shell = Shell(daemon.bus, daemon.out)
    submit(daemon, "both", cpu=2, nvenc=1)
    assert shell.do("slots").splitlines() == ["cpu    2 of 4 taken", "nvenc  1 of 1 taken"]
    assert shell.do("slots", "cpu=6", "nvenc=0") == "cpu 6 (was 4), nvenc 0 (was 1)\n"
    assert daemon.result("status")["slots"] == 6
    assert shell.fails(1, "slots", "tape=1").startswith("rushes: invalid: this daemon has no resource 'tape'")
    assert "such as cpu=4" in shell.fails(2, "slots", "cpu")
    assert "such as cpu=4" in shell.fails(2, "slots", "cpu=many")
    assert "'cpu' has two numbers of slots" in shell.fails(2, "slots", "cpu=1", "cpu=2")
    for number in ("1025", "9" * 5000):
        assert "is more than 1024 slots" in shell.fails(2, "slots", f"cpu={number}")
    for words in ("", "cpu=1,cpu=2", f"cpu={10**30}"):
        said = shell.fails(2, "submit", "in.mov", "out.mp4", "--resources", words)
        assert "Invalid value for '--resources'" in said
