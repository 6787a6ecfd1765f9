"""`rushes list`, `show` and `audit`, and ids that are cut short: what is seen of jobs, in a pipe and at a terminal."""

import getpass
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.contract import JOB, check, moment
from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick
from tests.support.shell import DONE, ESCAPE, REFUSED, WRONG_USAGE, Ran, Shell

ME = getpass.getuser()
GREEN = f"{ESCAPE}[32m"


def queued(daemon: Daemon, *names: str, session: str | None = None, priority: int = 0) -> list[str]:
    """Jobs in the queue of a daemon that is held."""
    jobs = [quick(daemon.out / f"{name}.mp4", name=name, session=session, priority=priority) for name in names]
    return [str(daemon.submit(job)["id"]) for job in jobs]


def ids_in(table: str) -> list[str]:
    """The first words of a table's rows."""
    return [line.split()[0] for line in table.splitlines()[1:]]


# ---------------------------------------------------------------- list


def test_list_is_an_aligned_table_newest_first_and_plain_in_a_pipe(held: Daemon, shell: Shell) -> None:
    ids = queued(held, "one", "two", session="table", priority=-10)
    said = shell.do("list", "--session", "table")
    head, *rows = said.splitlines()
    assert head.split() == ["ID", "STATUS", "DONE", "PRIO", "AGE", "JOB"]
    assert ids_in(said) == ids[::-1]
    assert all(
        row[head.index("JOB") :] == f"{name} ({name}.mp4)" for row, name in zip(rows, ("two", "one"), strict=True)
    )
    assert ESCAPE not in said


def test_list_of_the_queue_shows_the_places(held: Daemon, shell: Shell) -> None:
    low, high = queued(held, "low", session="order"), queued(held, "high", session="order", priority=1)
    rows = shell.do("list", "--session", "order", "--order", "queue").splitlines()[1:]
    assert [row.split()[:2] for row in rows] == [["1", high[0]], ["2", low[0]]]


def test_list_can_be_filtered_and_ends_where_it_is_told(held: Daemon, shell: Shell) -> None:
    ids = queued(held, "a", "b", "c", session="filtered")
    held.result("cancel", job_id=ids[1])
    words = ["list", "--session", "filtered"]
    assert ids_in(shell.do(*words, "--status", "cancelled")) == [ids[1]]
    assert ids_in(shell.do(*words, "--status", "queued", "--order", "oldest")) == [ids[0], ids[2]]
    ran = shell.run(*words, "-n", "2")
    assert (ids_in(ran.out), ran.err) == ([ids[2], ids[1]], "There are more: --limit N, or --all.\n")
    assert ids_in(shell.do(*words, "--all")) == ids[::-1]
    assert shell.run("list", "--session", "nobody's") == Ran(DONE, "", "No jobs.\n")


def test_list_as_json_is_the_result_of_the_protocol(held: Daemon, shell: Shell) -> None:
    queued(held, "a", "b", session="json")
    result = shell.result("list", "--session", "json", "--limit", "1")
    assert result.keys() == {"jobs", "cursor"}
    assert isinstance(result["cursor"], str)
    [job] = result["jobs"]
    check(job, JOB)


def test_a_terminal_has_colours_unless_they_are_unwanted(daemon: Daemon, shell: Shell) -> None:
    job_id = daemon.finish(quick(daemon.out / "coloured.mp4"))["id"]
    for words in (["list"], ["show", job_id]):
        with shell.terminal(*words) as terminal:
            assert terminal.ended() == DONE
        assert f"{GREEN}completed" in terminal.shown
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with Shell(daemon.bus, daemon.out, {name: value}).terminal("list") as terminal:
            assert terminal.ended() == DONE
        assert "completed" in terminal.shown
        assert ESCAPE not in terminal.shown


def test_a_name_can_do_nothing_to_a_terminal(held: Daemon, shell: Shell) -> None:
    name = "\x1b]0;owned\x07\x1b[2Jcalm\nnext\u202e"
    job_id = held.submit(quick(held.out / "calm.mp4", name=name, session="calm"))["id"]
    commands = (["list", "--session", "calm"], ["show", job_id], ["tail", "--job", job_id, "--no-follow"])
    for ran in shell.each(commands):
        assert "calm" in ran.out
        assert not {"\x1b", "\x07", "\u202e"} & set(ran.out)
    assert shell.result("show", job_id)["job"]["name"] == name


# ---------------------------------------------------------------- show


def test_show_tells_all_that_is_known_of_a_job(daemon: Daemon, shell: Shell) -> None:
    path = daemon.out / "shown.mp4"
    job_id = daemon.finish(quick(path, name="evening", session="dailies", metadata={"reel": "7"}))["id"]
    said = shell.do("show", job_id)
    for fact in ("evening", "dailies", "completed", f"by {ME}", "1 of 1", "reel = 7", "100%", "64x36", str(path)):
        assert fact in said
    assert ESCAPE not in said


def test_show_tells_why_a_job_failed_and_who_cancelled_one(daemon: Daemon, shell: Shell, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mov"
    broken.write_bytes(b"no film")
    job = {"inputs": [{"path": str(broken)}], "outputs": [{"path": str(daemon.out / "no.mp4")}]}
    failure = daemon.finish(job)
    assert failure["error"]["code"] in shell.do("show", failure["id"])
    running = daemon.rendering(lasting(daemon.out / "stopped.mp4"))
    daemon.result("cancel", job_id=running, reason="wrong take", wait=30)
    assert f"by {ME}, wrong take" in shell.do("show", running)


def test_show_as_json_is_the_result_of_the_protocol(daemon: Daemon, shell: Shell) -> None:
    result = shell.result("show", daemon.rendering(lasting(daemon.out / "running.mp4")))
    assert result.keys() == {"job"}
    check(result["job"], JOB)
    assert result["job"]["status"] == "processing"


# ---------------------------------------------------------------- ids


def test_an_id_may_be_cut_to_four_characters(held: Daemon, shell: Shell) -> None:
    [job_id] = queued(held, "cut")
    assert shell.completions("rushes", "show", job_id[:2]) >= {job_id}
    for chars in (15, 16):
        assert shell.result("show", job_id[:chars])["job"]["id"] == job_id
    assert shell.do("cancel", job_id[:4]) == f"{job_id} cancelled\n"


def test_fewer_characters_are_wrong_usage_and_an_unknown_beginning_is_not_found(held: Daemon, shell: Shell) -> None:
    [job_id] = queued(held, "short")
    takers = (["show"], ["cancel"], ["log"], ["wait"], ["retry"], ["boost", "--front"], ["tail", "--job"])
    for ran in shell.each([*words, job_id[:3]] for words in takers):
        assert ran.status == WRONG_USAGE
        assert "at least 4 characters" in ran.err
    assert "not_found: no job has an id that begins with '0000'" in shell.fails(REFUSED, "show", "0000")


def test_an_ambiguous_beginning_is_refused_and_the_candidates_are_named(held: Daemon, shell: Shell) -> None:
    first, second = queued(held, "first", "second")
    twin = first[:5] + second[5:]
    held.terminate()
    [file] = held.data.glob("*.sqlite3")
    with closing(sqlite3.connect(file, isolation_level=None)) as store:  # by itself a daemon hardly ever makes such ids
        store.execute("UPDATE jobs SET id = ? WHERE id = ?", (twin, second))
    held.start()
    said = shell.fails(REFUSED, "cancel", first[:5])
    assert "not_found" in said
    assert first in said
    assert twin in said
    assert {held.view(job_id)["status"] for job_id in (first, twin)} == {"queued"}


# ---------------------------------------------------------------- audit


def test_audit_tells_who_changed_what_and_what_came_of_it(held: Daemon, shell: Shell) -> None:
    [job_id] = queued(held, "audited")
    shell.do("cancel", job_id)
    shell.fails(REFUSED, "boost", job_id, "--front")
    rows = [line.split() for line in shell.do("audit", "-n", "3").splitlines()]
    assert rows[0] == ["SEQ", "TIME", "BY", "COMMAND", "JOB", "OUTCOME"]
    assert [row[3:7] for row in rows[1:]] == [
        [ME, "submit", job_id, "ok"],
        [ME, "cancel", job_id, "ok"],
        [ME, "boost", job_id, "conflict:"],
    ]


def test_audit_as_json_is_the_result_of_the_protocol_and_goes_on_after_a_seq(held: Daemon, shell: Shell) -> None:
    queued(held, "one")
    before = shell.result("audit", "-n", "1")
    assert before.keys() == {"entries", "last_seq"}
    assert moment(before["entries"][0]["at"])
    queued(held, "two")
    [entry] = shell.result("audit", "--since", str(before["last_seq"]))["entries"]
    assert (entry["seq"], entry["type"], entry["by"]) == (before["last_seq"] + 1, "submit", ME)
    assert shell.run("audit", "--since", str(entry["seq"])) == Ran(DONE, "", "No entries.\n")
