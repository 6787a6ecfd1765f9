"""`rushes tail`: which events it shows, as what, and that it loses none while daemons come and go."""

import getpass
import json

from tests.support.contract import EVENT, check
from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.shell import ESCAPE, INTERRUPTED, REFUSED, WRONG_USAGE, Behind, Shell
from tests.support.wire import Map

ME = getpass.getuser()


def last_seq(daemon: Daemon) -> int:
    return int(daemon.result("status")["last_seq"])


def told(shell: Shell, *words: str) -> list[Map]:
    """The events that a tail prints of what has been."""
    return [json.loads(line) for line in shell.do("tail", "--no-follow", "--json", *words).splitlines()]


def following(tail: Behind, seq: int) -> list[Map]:
    """What a tail has printed once the event with that seq is among it."""
    eventually(lambda: any(event["seq"] == seq for event in tail.events()), f"event {seq} is printed")
    return tail.events()


def queued(daemon: Daemon, name: str, session: str | None = None) -> str:
    return str(daemon.submit(quick(daemon.out / f"{name}.mp4", name=name, session=session))["id"])


# ---------------------------------------------------------------- what has been


def test_since_is_exclusive_and_json_is_the_event_of_the_protocol_a_line(daemon: Daemon, shell: Shell) -> None:
    before = last_seq(daemon)
    daemon.finish(quick(daemon.out / "json.mp4"))
    events = told(shell, "--since", str(before))
    assert events == daemon.events(since=before)
    for event in events:
        check(event, EVENT)


def test_the_last_few_come_first_and_lines_says_how_many(daemon: Daemon, shell: Shell) -> None:
    for name in ("one", "two"):
        daemon.finish(quick(daemon.out / f"{name}.mp4"))
    last = last_seq(daemon)
    assert [event["seq"] for event in told(shell)] == list(range(last - 9, last + 1))
    assert [event["seq"] for event in told(shell, "-n", "3")] == [last - 2, last - 1, last]
    assert told(shell, "-n", "0") == []


def test_a_line_begins_with_the_seq_and_columns_stand_under_each_other(daemon: Daemon, shell: Shell) -> None:
    before = last_seq(daemon)
    job_id = daemon.finish(quick(daemon.out / "lines.mp4", name="lines"))["id"]
    daemon.result("drain")
    lines = shell.do("tail", "--since", str(before), "--no-follow").splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(before + 1, before + 1 + len(lines)))
    kinds = ["submitted", "started", "output_started", "output_completed", "completed", "draining"]
    at = lines[0].index("submitted")
    assert [line[at:].split()[0] for line in lines] == kinds
    assert [line[at - 10 : at].strip() for line in lines] == [job_id[:8]] * 5 + ["daemon"]
    assert lines[0].split()[-2:] == [ME, "lines"]
    assert max(map(len, lines)) <= 100
    assert ESCAPE not in "".join(lines)


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
    assert chosen("--type", "started", "--job", mine) == []
    assert [event["type"] for event in told(shell, "-n", "1", "--type", "draining")] == ["daemon.draining"]


# ---------------------------------------------------------------- what comes


def test_it_follows_and_ctrl_c_ends_it_without_a_word(daemon: Daemon, shell: Shell) -> None:
    with shell.behind("tail", "--json", "-n", "1") as tail:
        eventually(lambda: tail.out, "the last event is printed")
        job_id = daemon.finish(quick(daemon.out / "followed.mp4"))["id"]
        completed = tail.await_event("job.completed", job_id)
        assert completed["data"]["job"]["status"] == "completed"
        assert tail.interrupt() == INTERRUPTED
        assert not tail.err.strip()


def test_progress_comes_only_where_it_is_asked_for(daemon: Daemon, shell: Shell) -> None:
    with shell.behind("tail", "--json") as everything, shell.behind("tail", "--json", "--type", "progress") as asked:
        job_id = daemon.rendering(lasting(daemon.out / "progress.mp4", 60))
        event = asked.await_event("job.progress", job_id)
        assert event["seq"] is None
        daemon.result("cancel", job_id=job_id, wait=30)
        everything.await_event("job.cancelled", job_id)
        assert {event["type"] for event in asked.events()} == {"job.progress"}
        assert "job.progress" not in {event["type"] for event in everything.events()}


def test_at_a_terminal_the_kinds_are_coloured(daemon: Daemon, shell: Shell) -> None:
    daemon.finish(quick(daemon.out / "coloured.mp4"))
    with shell.terminal("tail", "--no-follow", "-n", "1") as terminal:
        assert terminal.ended() == 0
    assert f"{ESCAPE}[32mcompleted" in terminal.shown


def test_no_event_is_lost_over_daemons_that_are_killed_and_started_again(daemon: Daemon, shell: Shell) -> None:
    with shell.behind("tail", "--since", "0", "--json") as tail:
        following(tail, last_seq(daemon))
        running = daemon.rendering(lasting(daemon.out / "outlives.mp4", 60))
        for name in ("once", "twice"):
            daemon.restart()
            daemon.finish(quick(daemon.out / f"{name}.mp4"))
        daemon.result("cancel", job_id=running, wait=30)
        events = following(tail, last_seq(daemon))
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events == daemon.events()


def test_it_says_once_that_the_daemon_is_gone_and_then_that_it_is_back(daemon: Daemon, shell: Shell) -> None:
    with shell.behind("tail", "-n", "1") as tail:
        eventually(lambda: tail.out, "the last event is printed")
        daemon.submit(quick(daemon.out / "before.mp4", name="before"))
        eventually(lambda: "completed" in tail.out, "the job's end is printed")
        last = last_seq(daemon)
        daemon.kill9()
        eventually(lambda: tail.err, "the silence is told of")
        assert tail.err == f"rushes: no daemon answers at {daemon.bus}; waiting for it, to go on after event {last}\n"
        daemon.start()
        eventually(lambda: len(tail.err.splitlines()) > 1, "its end is told of")
        assert tail.err.splitlines()[1:] == [f"The daemon at {daemon.bus} is back."]
        eventually(lambda: "started" in tail.out.splitlines()[-1], "the new daemon's start is printed")


# ---------------------------------------------------------------- what it refuses


def test_wrong_usage_says_what_would_be_right(shell: Shell) -> None:
    wrong = {
        "--since abc": "'--since': must be a whole number, 0 or more, not 'abc'",
        "--since -1": "0 or more, not '-1'",
        f"--since {'9' * 30}": "0 or more",
        "--type complete": "there is no event 'complete'",
        "--since 1 -n 1": "either --since or --lines",
    }
    for ran, said in zip(shell.each(["tail", *words.split()] for words in wrong), wrong.values(), strict=True):
        assert ran.status == WRONG_USAGE
        assert said in ran.err
        assert "Try `rushes tail --help`." in ran.err


def test_a_job_that_is_not_there_is_not_found(shell: Shell) -> None:
    assert "not_found" in shell.fails(REFUSED, "tail", "--job", "aaaa")
