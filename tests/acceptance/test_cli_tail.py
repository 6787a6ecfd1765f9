"""`rushes tail`: which events it shows: since when, how many, of what, and what it refuses."""

import getpass
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.contract import EVENT, check
from tests.support.daemon import Daemon
from tests.support.jobs import quick
from tests.support.past import lengthen, move_back
from tests.support.shell import DONE, REFUSED, WRONG_USAGE, Ran, Shell
from tests.support.wire import Map

ME = getpass.getuser()


def last_seq(daemon: Daemon) -> int:
    return int(daemon.result("status")["last_seq"])


def told(shell: Shell, *words: str) -> list[Map]:
    """The events that a tail prints of what has been."""
    return [json.loads(line) for line in shell.do("tail", "--no-follow", "--json", *words).splitlines()]


def seqs(shell: Shell, *words: str) -> list[int]:
    return [event["seq"] for event in told(shell, *words)]


def queued(daemon: Daemon, name: str, session: str | None = None) -> str:
    return str(daemon.submit(quick(daemon.out / f"{name}.mp4", name=name, session=session))["id"])


# ---------------------------------------------------------------- since when


def test_since_a_seq_is_exclusive_and_json_is_the_event_of_the_protocol_a_line(daemon: Daemon, shell: Shell) -> None:
    before = last_seq(daemon)
    daemon.finish(quick(daemon.out / "json.mp4"))
    events = told(shell, "--since", str(before))
    assert events == daemon.events(since=before)
    for event in events:
        check(event, EVENT)


def test_where_no_event_fits_that_is_said(daemon: Daemon, shell: Shell) -> None:
    none = ["tail", "--no-follow", "--since", str(last_seq(daemon))]
    assert shell.run(*none) == Ran(DONE, "", "No events.\n")
    assert shell.run("tail", "--no-follow", "--by", "nobody-of-that-name") == Ran(DONE, "", "No events.\n")
    assert shell.run(*none, "--json") == Ran(DONE, "", "")


def test_since_a_time_begins_with_the_first_event_that_is_not_before_it(daemon: Daemon, shell: Shell) -> None:
    daemon.finish(quick(daemon.out / "times.mp4"))
    events = daemon.events()
    times = [event["at"] for event in events]
    middle = len(events) // 2
    for index in (0, 1, middle, len(events) - 1):
        first = times.index(times[index])  # what one transaction brings has one time
        assert seqs(shell, "--since", times[index]) == [event["seq"] for event in events[first:]]
    between = datetime.fromisoformat(times[middle]) + timedelta(microseconds=1)
    later = [event["seq"] for event in events if event["at"] > times[middle]]
    assert seqs(shell, "--since", between.isoformat()) == later
    long_ago = "2001-01-01"
    assert seqs(shell, "--since", long_ago) == [event["seq"] for event in events]


def test_a_time_may_be_written_in_any_zone_and_without_one_is_the_readers_own(daemon: Daemon, shell: Shell) -> None:
    daemon.finish(quick(daemon.out / "zones.mp4"))
    last = daemon.events()[-1]
    at = datetime.fromisoformat(last["at"])
    seoul = timedelta(hours=9)
    here = Shell(daemon.bus, daemon.out, {"TZ": "KST-9"})
    local = (at + seoul).replace(tzinfo=None).isoformat(sep=" ")
    for when in (f"{at:%Y-%m-%dT%H:%M:%S.%fZ}", (at + seoul).isoformat().replace("+00:00", "+09:00"), local):
        assert seqs(here, "--since", when)[-1] == last["seq"]
        assert seqs(here, "--since", when) == seqs(here, "--since", last["at"])


def test_since_how_long_ago_takes_what_is_younger(daemon: Daemon, shell: Shell) -> None:
    daemon.finish(quick(daemon.out / "old.mp4"))
    old = last_seq(daemon)
    move_back(daemon, old, timedelta(hours=1))
    daemon.finish(quick(daemon.out / "young.mp4"))
    last = last_seq(daemon)
    young = list(range(old + 1, last + 1))
    assert young[0] > 1
    assert seqs(shell, "--since", "30m") == seqs(shell, "--since", "3599s") == seqs(shell, "--since", "0h59m") == young
    assert seqs(shell, "--since", "2h") == seqs(shell, "--since", "1d") == list(range(1, last + 1))
    with shell.behind("tail", "--since", "30m", "--json") as tail:
        job_id = daemon.finish(quick(daemon.out / "now.mp4"))["id"]
        tail.await_event("job.completed", job_id)
        assert [event["seq"] for event in tail.events()] == list(range(old + 1, last_seq(daemon) + 1))


# ---------------------------------------------------------------- how many


def test_the_last_few_come_first_and_lines_says_how_many(daemon: Daemon, shell: Shell) -> None:
    for name in ("one", "two"):
        daemon.finish(quick(daemon.out / f"{name}.mp4"))
    last = last_seq(daemon)
    assert seqs(shell) == list(range(last - 9, last + 1))
    assert seqs(shell, "-n", "3") == [last - 2, last - 1, last]
    assert seqs(shell, "-n", "0") == []


def test_lines_are_the_last_that_fit_however_far_back(held: Daemon, shell: Shell) -> None:
    ids = [queued(held, f"rare-{number}") for number in range(2)]
    for job_id in ids:
        held.result("cancel", job_id=job_id)
    commands = [held.wire.send("drain" if number % 2 else "resume") for number in range(400)]
    for command_id in commands:
        held.wire.reply_to(command_id)
    rare = [event["seq"] for job_id in ids for event in held.events(job_id) if event["type"] == "job.cancelled"]
    assert last_seq(held) - rare[0] > 400
    assert seqs(shell, "-n", "2", "--type", "cancelled") == rare
    assert seqs(shell, "-n", "1", "--type", "cancelled") == rare[1:]
    assert seqs(shell, "-n", "9", "--type", "cancelled", "--since", str(rare[0])) == rare[1:]
    assert seqs(shell, "-n", "1", "--job", ids[0]) == rare[:1]


def test_of_a_long_history_it_says_how_far_it_looked_and_a_time_is_found(
    start: Callable[..., Daemon],
) -> None:
    daemon = start(slots=1)
    shell = Shell(daemon.bus, daemon.out)
    job_id = daemon.finish(quick(daemon.out / "long-ago.mp4"))["id"]
    completed = daemon.event(job_id, "completed")
    lengthen(daemon, 100_000)
    words = ["tail", "--no-follow", "--json", "-n", "1", "--type", "completed"]
    ran = shell.run(*words)
    assert (ran.out, ran.err) == (
        "", "No more of them are among the last 100,000 events; --since looks further back.\n",
    )  # fmt: skip
    for further in (["--since", completed["at"]], ["--job", job_id]):
        ran = shell.run(*words, *further)
        assert (json.loads(ran.out)["seq"], ran.err) == (completed["seq"], "")


# ---------------------------------------------------------------- of what


def test_filters_choose_by_job_by_session_and_by_type(held: Daemon, shell: Shell) -> None:
    before = str(last_seq(held))
    mine, other = queued(held, "mine", "tailed"), queued(held, "other")
    for job_id in (mine, other):
        held.result("cancel", job_id=job_id)

    def chosen(*words: str) -> list[tuple[str, str]]:
        return [(event["type"], event["job_id"]) for event in told(shell, "--since", before, *words)]

    ours = [("job.submitted", mine), ("job.cancelled", mine)]
    assert chosen("--job", mine) == chosen("--job", mine[:6]) == chosen("--session", "tailed") == ours
    assert chosen("--type", "cancelled") == [("job.cancelled", mine), ("job.cancelled", other)]
    assert chosen("--type", "job.cancelled", "--type", "submitted", "--session", "tailed") == ours
    assert chosen("--type", "*el*", "--job", mine) == chosen("--type", "job.c*", "--session", "tailed") == ours[1:]
    assert chosen("--type", "started", "--job", mine) == chosen("--session", "tailed", "--job", other) == []
    assert [event["type"] for event in told(shell, "-n", "1", "--type", "draining")] == ["daemon.draining"]
    assert {event["type"] for event in told(shell, "--since", "0", "--type", "daemon.*")} >= {"daemon.started"}
    assert all(event["job_id"] is None for event in told(shell, "--since", "0", "--type", "daemon.*"))


def test_by_chooses_what_somebody_caused_together_with_the_other_filters(daemon: Daemon, shell: Shell) -> None:
    before = str(last_seq(daemon))
    job_id = daemon.finish(quick(daemon.out / "caused.mp4"))["id"]
    daemon.result("drain")

    def chosen(*words: str) -> list[str]:
        return [event["type"] for event in told(shell, "--since", before, *words)]

    assert chosen("--by", ME) == ["job.submitted", "daemon.draining"]
    assert chosen("--by", ME, "--job", job_id) == chosen("--by", ME, "--type", "sub*") == ["job.submitted"]
    assert chosen("--by", f"{ME}x") == chosen("--by", ME, "--type", "completed") == []
    assert [event["by"] for event in told(shell, "--by", ME, "-n", "1")] == [ME]


def test_types_are_completed(shell: Shell) -> None:
    assert shell.completions("rushes", "tail", "--type", "out") == {"output_started", "output_completed"}
    assert shell.completions("rushes", "tail", "--type", "daemon.disk") == {"daemon.disk_low", "daemon.disk_ok"}


def test_a_deleted_jobs_events_are_found_by_its_whole_id(held: Daemon, shell: Shell) -> None:
    job_id = queued(held, "gone")
    held.result("delete", job_id=job_id, force=True, wait=30)
    kinds = [event["type"] for event in told(shell, "--job", job_id)]
    assert kinds == ["job.submitted", "job.cancelled", "job.deleted"]


# ---------------------------------------------------------------- what it refuses


def test_wrong_usage_says_what_would_be_right(shell: Shell) -> None:
    since = "must be an event's number, how long ago (90s, 10m, 2h, 3d), or a time such as 2026-11-26T04:00:00Z"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    wrong = {
        ("--since", "abc"): f"'--since': {since}, not 'abc'",
        ("--since", "-1"): f"{since}, not '-1'",
        ("--since", "10 m"): f"{since}, not '10 m'",
        ("--since", "1.5h"): since,
        ("--since", "10x"): since,
        ("--since", ""): f"{since}, not ''",
        ("--since", "9" * 30): since,
        ("--since", "9" * 5000): since,
        ("--since", "99999999999d"): since,
        ("--since", "9999999d"): since,
        ("--since", "2026-13-01T00:00:00Z"): since,
        ("--since", tomorrow): f"{tomorrow!r} is still to come",
        ("-n", "x"): "'-n' / '--lines': must be a whole number, 0 or more, not 'x'",
        ("-n", "-1"): "0 or more, not '-1'",
        ("--type", "complete"): "there is no event 'complete'; there are submitted, boosted, started, output_started",
        ("--type", "job.disk_*"): "there is no event 'job.disk_*'",
        ("--type", ""): "there is no event ''",
        ("--type", "prog*"): "there is no event 'prog*'; there are",
        ("--by", ""): "give a name, as events have it in `by`",
        ("--job", "abc"): "give at least 4 characters of a job id, not 'abc'",
    }
    runs = shell.each(["tail", "--no-follow", "--json", *words] for words in wrong)
    for (words, said), ran in zip(wrong.items(), runs, strict=True):
        assert (ran.status, ran.out) == (WRONG_USAGE, ""), words
        assert said in ran.err, words
        assert ran.err.endswith("Try `rushes tail --help`.\n")


@pytest.mark.parametrize("given", ["aaaa", "a" * 16])
def test_a_job_that_is_not_there_is_not_found(shell: Shell, given: str) -> None:
    said = shell.fails(REFUSED, "tail", "--job", given)
    assert said.startswith("rushes: not_found: ")
    assert given in said
