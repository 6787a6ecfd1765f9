"""`rushes tail` for people: a line for each event that tells at a glance what happened, at any width."""

import getpass
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.past import move_back
from tests.support.shell import DONE, ESCAPE, Shell
from tests.support.wire import Map

ME = getpass.getuser()
RED, GREEN, YELLOW, MAGENTA, PLAIN = (f"{ESCAPE}[{code}m" for code in (31, 32, 33, 35, 0))
COLOUR = re.compile(r"\x1b\[[0-9]+m")

WEST = datetime.now(UTC).hour - 12
ZONE = timezone(timedelta(hours=-WEST))
"""A zone in which it is noon: no date changes while these tests run, and local time hardly ever is UTC."""

PIPED = re.compile(r"( *\d+)  (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)  (.{8}) (.{20})  (\w+) *(.*)\Z")
"""A line in a pipe: seq, local time, job, name, kind, what else."""


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


@pytest.fixture
def shell(daemon: Daemon) -> Shell:
    return Shell(daemon.bus, daemon.out, {"TZ": f"NOON{WEST}"})


def lines(shell: Shell, *words: str) -> list[str]:
    """The lines of what has been, in a pipe."""
    return shell.do("tail", "--no-follow", "--since", "0", *words).splitlines()


def said(shell: Shell, job: str, kind: str) -> str:
    """What stands behind a job's event of that kind."""
    [line] = lines(shell, "--job", job, "--type", f"job.{kind}")
    found = PIPED.match(line)
    assert found, line
    assert found[5] == kind
    return found[6]


def shown(shell: Shell, *words: str, columns: int) -> list[str]:
    """The lines at a terminal, as a person can read them."""
    with shell.terminal("tail", "--no-follow", *words, columns=columns) as terminal:
        assert terminal.ended() == DONE
    return terminal.text.splitlines()


moment = datetime.fromisoformat


def spoken(time: timedelta) -> str:
    """Less than a minute, as people are told it: in tenths where it is less than ten seconds."""
    seconds = time.total_seconds()
    return f"{seconds:.1f}s" if seconds < 9.95 else f"{int(seconds + 0.5)}s"


def local(event: Map) -> datetime:
    return moment(event["at"]).astimezone(ZONE)


# ---------------------------------------------------------------- what a line tells


def test_a_line_has_seq_time_job_name_and_kind_in_columns(daemon: Daemon, shell: Shell) -> None:
    before = daemon.result("status")["last_seq"]
    job_id = daemon.finish(quick(daemon.out / "lines.mp4", name="lines"))["id"]
    daemon.result("drain")
    found = [PIPED.match(line) for line in lines(shell)]
    columns = [match.groups() for match in found if match is not None][before:]
    events = daemon.events(since=before)
    assert len(columns) == len(events)
    for (seq, time, job, name, kind, _), event in zip(columns, events, strict=True):
        assert (int(seq), time, kind) == (
            event["seq"],
            f"{local(event):%Y-%m-%d %H:%M:%S}",
            event["type"][-len(kind) :],
        )
        of_job = event["job_id"] is not None
        assert (job.strip(), name.strip()) == ((job_id[:8], "lines") if of_job else ("daemon", ""))
    kinds = ["submitted", "started", "output_started", "output_completed", "completed", "draining"]
    assert [kind for *_, kind, _ in columns] == kinds


def test_a_job_without_a_name_is_called_by_its_files_and_a_deleted_one_still_has_its_name(
    held: Daemon, shell: Shell
) -> None:
    job_id = held.submit(quick(held.out / "one.mp4", held.out / "two.mp4"))["id"]
    held.result("delete", job_id=job_id, force=True, wait=30)
    # The second does not have the name itself; whoever sees nothing else must ask for it.
    for kind in ("cancelled", "deleted"):
        [line] = lines(shell, "--job", job_id, "--type", kind)
        match = PIPED.match(line)
        assert match
        assert match[4].rstrip() == "one.mp4, two.mp4"


def test_a_completion_tells_how_long_how_many_and_how_much(daemon: Daemon, shell: Shell) -> None:
    view = daemon.finish(quick(daemon.out / "a.mp4", daemon.out / "b.mp4"))
    kilobytes = sum(output["size"] for output in view["outputs"]) / 1000
    took = spoken(moment(view["finished_at"]) - moment(view["started_at"]))
    assert said(shell, view["id"], "completed") == f"in {took}, 2 outputs, {kilobytes:.1f} kB"
    first = said(shell, view["id"], "submitted")
    assert first == f"by {ME}, 2 outputs"


def test_a_failure_tells_its_code_its_message_and_after_what_time(daemon: Daemon, shell: Shell) -> None:
    view = daemon.finish(tempered(quick(daemon.out / "fails.mp4"), "dying"))
    error = view["error"]
    words = said(shell, view["id"], "failed")
    assert words.startswith(f"{error['code']}: {error['message']}, after ")
    assert "this is the reason" in words
    # With several outputs it says which.
    job = tempered(quick(daemon.out / "good.mp4", daemon.out / "bad.mp4"), "dying")
    job["outputs"][0]["args"] = ["-c:v", "mpeg4"]
    assert ", output 1, after " in said(shell, daemon.finish(job)["id"], "failed")


def test_a_retry_tells_when_it_is_and_what_the_attempt_before_died_of(daemon: Daemon, shell: Shell) -> None:
    view = daemon.finish(tempered(quick(daemon.out / "flaky.mp4", max_attempts=2), "flaky"))
    data = daemon.event(view["id"], "requeued")["data"]
    again = moment(data["not_before"]).astimezone(ZONE)
    error = f"{data['error']['code']}: {data['error']['message']}"
    assert said(shell, view["id"], "requeued") == f"again at {again:%H:%M:%S}, {error}, attempt 1"


def stopped_in(daemon: Daemon, job_id: str) -> str:
    """How long a stop took, from its first step on."""
    event = daemon.event(job_id, "cancelled")
    return spoken(moment(event["at"]) - moment(event["data"]["stop"]["rungs"][0]["at"]))


def test_a_cancel_tells_by_whom_why_and_how_it_was_stopped(daemon: Daemon, shell: Shell) -> None:
    polite = daemon.rendering(lasting(daemon.out / "polite.mp4"))
    daemon.result("cancel", job_id=polite, reason="wrong take", notes="see the script", wait=30)
    words = said(shell, polite, "cancelled")
    assert words == f"by {ME}: wrong take, stopped by q in {stopped_in(daemon, polite)}, see the script"
    assert said(shell, polite, "cancelling") == f"by {ME}: wrong take, see the script"
    stubborn = daemon.underway(tempered(quick(daemon.out / "stubborn.mp4"), "stubborn"))
    daemon.result("cancel", job_id=stubborn, wait=30)
    assert said(shell, stubborn, "cancelled") == f"by {ME}, stopped by SIGKILL in {stopped_in(daemon, stubborn)}"
    stages = [PIPED.match(line) for line in lines(shell, "--job", stubborn, "--type", "signalled")]
    rungs = daemon.event(stubborn, "cancelled")["data"]["stop"]["rungs"]
    assert [match and match[6] for match in stages] == [
        "q, output 0", *(f"{rung['stage']}, output 0, after {rung['after']:.1f}s" for rung in rungs[1:])
    ]  # fmt: skip
    assert [rung["stage"] for rung in rungs] == ["q", "SIGTERM", "SIGKILL"]
    daemon.result("drain")
    waiting = daemon.submit(quick(daemon.out / "waiting.mp4"))["id"]
    daemon.result("cancel", job_id=waiting)
    assert said(shell, waiting, "cancelled") == f"by {ME}, nothing was running"


def test_the_daemons_own_events_tell_what_matters(daemon: Daemon, shell: Shell) -> None:
    old = daemon.pid
    daemon.terminate()
    daemon.start()
    daemon.result("drain")
    daemon.result("resume")
    told = [PIPED.match(line) for line in lines(shell, "--type", "daemon.*")]
    words = [f"{match[5]} {match[6]}" for match in told if match]
    version = daemon.result("status")["version"]
    assert words[0].startswith(f"started {version}, pid ")
    assert f"started {version}, pid {old}" in words
    assert words[-4] == f"stopping by {ME}, stop, SIGTERM"
    assert words[-3:] == [f"started {version}, pid {daemon.pid}", f"draining by {ME}", f"resumed by {ME}"]


# ---------------------------------------------------------------- how it looks


@pytest.fixture
def story(daemon: Daemon) -> list[Map]:
    """Events with much to say, the daemon's last."""
    before = daemon.result("status")["last_seq"]
    name = "a job with a name that is longer than any column of a terminal could ever be"
    daemon.finish(tempered(quick(daemon.out / "long.mp4", name=name, overwrite=True), "dying"))
    daemon.finish(quick(daemon.out / "wide.mp4", name="朝のニュース番組の総集編", overwrite=True))
    job_id = daemon.rendering(lasting(daemon.out / "cancelled.mp4", name="short"))
    daemon.result("cancel", job_id=job_id, reason="r" * 100, notes="n" * 500, wait=30)
    return daemon.events(since=before)


def cells(line: str) -> int:
    """Columns of a terminal; the signs of the tests' names that are not ASCII take two, but for `…`."""
    return sum(1 if sign.isascii() or sign == "…" else 2 for sign in line)


def test_at_80_columns_each_event_is_a_line_that_fits_and_its_columns_stand(story: list[Map], shell: Shell) -> None:
    found = shown(shell, "-n", str(len(story)), columns=80)
    assert len(found) == len(story)
    assert max(map(cells, found)) <= 80
    for line, event in zip(found, story, strict=True):
        kind = event["type"].partition(".")[2]
        head, _, rest = line.partition(f" {kind}")
        assert cells(head) == 32, "the kinds begin under each other"
        assert head.startswith(f"{local(event):%H:%M:%S} {(event['job_id'] or 'daemon')[:8]:8}")
        assert not rest or rest.startswith(" ")
    failed = next(line for line in found if " failed " in line)
    assert " a job with a … failed unknown: FFmpeg ended with status 1: " in failed
    cancelled = next(line for line in found if " cancelled " in line)
    assert f" cancelled by {ME}: rrrr" in cancelled
    assert cancelled.endswith("…")


def test_a_wide_terminal_has_seq_date_and_more_of_the_name(story: list[Map], shell: Shell) -> None:
    found = shown(shell, "-n", str(len(story)), columns=140)
    assert max(map(cells, found)) <= 140
    for line, event in zip(found, story, strict=True):
        assert line.startswith(
            f"{event['seq']:>6}  {local(event):%m-%d %H:%M:%S}  {(event['job_id'] or 'daemon')[:8]:8} "
        )
    assert any(
        " a job with a name t…  failed            unknown: FFmpeg ended with status 1: this" in it for it in found
    )


def test_a_narrow_terminal_says_when_the_date_is_another(daemon: Daemon, shell: Shell) -> None:
    for number in range(2):
        daemon.finish(quick(daemon.out / f"days-{number}.mp4"))
    events = daemon.events()
    move_back(daemon, events[-3]["seq"], timedelta(days=2))
    move_back(daemon, events[-5]["seq"], timedelta(days=2))
    days = [f"{local(event):%Y-%m-%d}" for event in daemon.events()]
    found = shown(shell, "--since", str(events[-7]["seq"]), columns=80)
    assert len(set(days[len(events) - 6 :])) == 3
    headings = [line for line in found if line.startswith("-- ")]
    assert headings == [f"-- {day} --" for day in dict.fromkeys(days[len(events) - 6 :])]
    assert [index for index, line in enumerate(found) if line in headings] == [0, 3, 6]
    assert not [line for line in shown(shell, "-n", "1", columns=80) if line.startswith("-- ")], (
        "today needs no telling"
    )


def test_kinds_have_the_colours_of_their_outcome_at_a_terminal_alone(story: list[Map], shell: Shell) -> None:
    with shell.terminal("tail", "--no-follow", "-n", str(len(story))) as terminal:
        assert terminal.ended() == DONE
    for kind in (f"{RED}failed", f"{GREEN}completed", f"{YELLOW}cancelled", f"{MAGENTA}cancelling"):
        assert f" {kind}{PLAIN}" in terminal.shown
    assert ESCAPE not in shell.do("tail", "--no-follow", "-n", str(len(story)))
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        unwilling = Shell(shell.environment["RUSHES_BUS"], shell.folder, {name: value})
        with unwilling.terminal("tail", "--no-follow", "-n", str(len(story))) as terminal:
            assert terminal.ended() == DONE
        assert " failed " in terminal.shown
        assert ESCAPE not in terminal.shown


def test_no_name_reason_or_path_commands_a_terminal(held: Daemon, shell: Shell) -> None:
    evil = "\x1b]0;owned\x07\x1b[2Jca\rlm\nnext\u202e\x9b31m"
    job_id = held.submit(quick(held.out / f"{evil}.mp4", name=evil, session=evil))["id"]
    held.result("cancel", job_id=job_id, reason=evil, notes=evil)
    for columns in (80, 200):
        with shell.terminal("tail", "--no-follow", "--job", job_id, columns=columns) as terminal:
            assert terminal.ended() == DONE
        plain = COLOUR.sub("", terminal.shown)
        assert len(plain.splitlines()) == 2
        assert "␛]0;own" in plain
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(plain)
    for words in ([], ["--json"]):
        out = shell.do("tail", "--no-follow", "--job", job_id, *words)
        assert len(out.splitlines()) == 2
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(out)
