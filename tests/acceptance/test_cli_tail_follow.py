"""`rushes tail` over time: it loses nothing while daemons come and go, says so, and ends when its reader goes."""

import json
import signal
from collections.abc import Callable

import pytest

from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.shell import ESCAPE, INTERRUPTED, PIPE_CLOSED, Behind, Shell
from tests.support.wire import Map


def last_seq(daemon: Daemon) -> int:
    return int(daemon.result("status")["last_seq"])


def following(tail: Behind, seq: int) -> list[Map]:
    """What a tail has printed once the event with that seq is among it."""
    eventually(lambda: any(event["seq"] == seq for event in tail.events()), f"event {seq} is printed")
    return tail.events()


def await_lines(tail: Behind, count: int) -> None:
    eventually(lambda: tail.out.count("\n") == count, f"there are {count} lines")


def printed_seqs(tail: Behind) -> list[int]:
    """The first column of what is printed for people."""
    return [int(line.split()[0]) for line in tail.out.splitlines(keepends=True) if line.endswith("\n")]


# ---------------------------------------------------------------- what comes


def test_it_follows_and_ctrl_c_ends_it_without_a_word(daemon: Daemon, shell: Shell) -> None:
    with shell.behind("tail", "-f", "--json", "-n", "1") as tail:
        eventually(lambda: tail.out, "the last event is printed")
        job_id = daemon.finish(quick(daemon.out / "followed.mp4"))["id"]
        completed = tail.await_event("job.completed", job_id)
        assert completed["data"]["job"]["status"] == "completed"
        assert tail.interrupt() == INTERRUPTED
        assert not tail.err.strip()


def test_at_a_terminal_ctrl_c_leaves_the_lines_and_nothing_else(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.finish(quick(daemon.out / "ended.mp4"))["id"]
    with shell.terminal("tail", "-n", "1") as terminal:
        terminal.await_text("completed")
        terminal.interrupt()
        assert terminal.ended() == INTERRUPTED
    [line] = terminal.text.strip().splitlines()
    assert job_id[:8] in line


def test_progress_comes_only_where_it_is_asked_for_by_its_name(daemon: Daemon, shell: Shell) -> None:
    with (
        shell.behind("tail", "--json") as plain,
        shell.behind("tail", "--json", "--type", "job.*") as pattern,
        shell.behind("tail", "--json", "--type", "progress") as asked,
        shell.behind("tail", "--type", "progress", "--type", "cancelled") as read,
    ):
        job_id = daemon.rendering(lasting(daemon.out / "progress.mp4", 60))
        event = asked.await_event("job.progress", job_id)
        assert event["seq"] is None
        eventually(lambda: "  progress " in read.out, "people see it, too")
        daemon.result("cancel", job_id=job_id, wait=30)
        for tail in (plain, pattern):
            tail.await_event("job.cancelled", job_id)
            assert "job.progress" not in {event["type"] for event in tail.events()}
        assert {event["type"] for event in asked.events()} == {"job.progress"}
        eventually(lambda: "  cancelled " in read.out, "so is the other type")


def test_filters_hold_for_what_comes_as_for_what_was(held: Daemon, shell: Shell) -> None:
    since = str(last_seq(held))
    with shell.behind("tail", "--json", "--session", "live", "--type", "can*", "--since", since) as tail:
        ids = [
            held.submit(quick(held.out / f"{name}.mp4", session=session))["id"]
            for name, session in (("yes", "live"), ("no", "other"), ("also", "live"))
        ]
        for job_id in ids:
            held.result("cancel", job_id=job_id)
        tail.await_event("job.cancelled", ids[2])
        assert [(event["type"], event["job_id"]) for event in tail.events()] == [
            ("job.cancelled", ids[0]), ("job.cancelled", ids[2]),
        ]  # fmt: skip


# ---------------------------------------------------------------- daemons that come and go


def test_no_event_is_lost_over_daemons_that_are_killed_and_started_again(daemon: Daemon, shell: Shell) -> None:
    with shell.behind("tail", "--since", "0", "--json") as tail, shell.behind("tail", "--since", "0") as read:
        following(tail, last_seq(daemon))
        running = daemon.rendering(lasting(daemon.out / "outlives.mp4", 60))
        for name in ("once", "twice", "thrice"):
            # Killed in the middle of a burst: some of it is published, some only stored.
            for number in range(10):
                daemon.wire.send("submit", job=quick(daemon.out / f"{name}-{number}.mp4"))
            job_id = daemon.submit(quick(daemon.out / f"{name}.mp4"))["id"]
            daemon.restart()
            daemon.outcome(job_id)
        daemon.result("cancel", job_id=running, wait=30)
        last = last_seq(daemon)
        events = following(tail, last)
        eventually(lambda: last in printed_seqs(read), f"event {last} is printed for people, too")
        numbers = printed_seqs(read)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events == daemon.result("events", since=0)["events"][: len(events)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(events) >= last > 100


def test_it_says_once_each_time_that_the_daemon_is_gone_and_then_that_it_is_back(daemon: Daemon, shell: Shell) -> None:
    with shell.behind("tail", "-n", "1") as tail:
        eventually(lambda: tail.out, "the last event is printed")
        daemon.finish(quick(daemon.out / "before.mp4", name="before"))
        said: list[str] = []
        for outage in (1, 2):
            last = last_seq(daemon)
            eventually(lambda: last in printed_seqs(tail), "all there is is printed")  # noqa: B023
            daemon.kill9()
            said.append(f"rushes: no daemon answers at {daemon.bus}; waiting for it, to go on after event {last}")
            eventually(lambda: len(tail.err.splitlines()) == len(said), f"outage {outage} is told of")
            daemon.start()
            said.append(f"The daemon at {daemon.bus} is back.")
            eventually(lambda: len(tail.err.splitlines()) == len(said), f"the end of outage {outage} is told of")
            eventually(lambda: f"pid {daemon.pid}" in tail.out, "the new daemon's start is printed")
        assert tail.err.splitlines() == said
        assert printed_seqs(tail)[-1] == last_seq(daemon)


def test_another_database_is_told_of_and_shown_from_its_first_event(
    start: Callable[..., Daemon],
) -> None:
    daemon = start(slots=1)
    shell = Shell(daemon.bus, daemon.out)
    for number in range(3):
        daemon.finish(quick(daemon.out / f"{number}.mp4"))
    old = last_seq(daemon)
    with shell.behind("tail", "--json", "--since", "0") as tail:
        following(tail, old)
        daemon.terminate()
        for file in daemon.data.glob("rushes.sqlite3*"):
            file.unlink()
        daemon.start()
        job_id = daemon.finish(quick(daemon.out / "other.mp4"))["id"]
        tail.await_event("job.completed", job_id)
        told = f"Another database answers at {daemon.bus}; its events begin with the first."
        assert [line for line in tail.err.splitlines() if "database" in line] == [told]
        of_new = daemon.events()
        seqs = [event["seq"] for event in tail.events()]
        begins = len(seqs) - seqs[::-1].index(1) - 1
        assert seqs[:begins] == list(range(1, begins + 1))
        assert begins >= old
        assert tail.events()[begins:] == of_new[: len(seqs) - begins]


def test_events_of_jobs_whose_names_nobody_tells_any_more_are_printed_without(daemon: Daemon, shell: Shell) -> None:
    daemon.result("drain")
    ids = [daemon.submit(quick(daemon.out / f"name-{number}.mp4"))["id"] for number in range(10)]
    daemon.result("boost", job_id=ids[0], by=1)
    with shell.behind("tail", "-n", "1") as tail, daemon.listener() as listener:
        eventually(lambda: "name-0.mp4" in tail.out, "the last event is printed")
        for lines in (2, 3):  # the second of these can only be heard: by then it listens
            daemon.result("boost", job_id=ids[0], by=1)
            await_lines(tail, lines)
        tail.signal(signal.SIGSTOP)
        for job_id in ids:
            daemon.result("boost", job_id=job_id, by=1)
        last = last_seq(daemon)
        listener.await_heartbeat()  # sent after them, and so they are in the stopped one's socket
        listener.await_heartbeat()
        daemon.kill9()
        tail.signal(signal.SIGCONT)
        eventually(lambda: printed_seqs(tail)[-1] == last, "all that was published is printed")
        assert printed_seqs(tail) == list(range(last - 12, last + 1))
        named = ["name-" in line for line in tail.out.splitlines()]
        assert named == [*[True] * 4, *[False] * 9], "one name it had asked for before"
        daemon.start()
        eventually(lambda: f"pid {daemon.pid}" in tail.out, "it goes on with what comes")


# ---------------------------------------------------------------- pipes


@pytest.mark.parametrize("words", ["--since 0", "-n 1", "-n 1 --json", "--since 0 --json --type 'job.*'"])
def test_whoever_reads_a_line_and_goes_ends_it_at_once_even_if_nothing_comes(
    daemon: Daemon, shell: Shell, words: str
) -> None:
    daemon.finish(quick(daemon.out / "piped.mp4", overwrite=True))
    ran = shell.script(f'rushes tail {words} | head -n 1; echo "${{PIPESTATUS[0]}}"')
    line, status = ran.out.splitlines()
    assert (int(status), ran.err) == (PIPE_CLOSED, "")
    assert line
    assert ESCAPE not in line


def test_json_lines_are_whole_for_each_reader_of_lines(daemon: Daemon, shell: Shell) -> None:
    daemon.finish(quick(daemon.out / "lines.mp4", name='quote " and \\ and\nnewline'))
    ran = shell.script("rushes tail --since 0 --json --no-follow | grep -c .; rushes status --json")
    count, status = ran.out.splitlines()
    assert int(count) == json.loads(status)["last_seq"] == last_seq(daemon)
