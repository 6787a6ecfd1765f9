"""Several jobs at once: `--session` and `--status`, what is asked at a terminal, and what nobody can be asked."""

from tests.support.contract import DELETED, JOB, check
from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick
from tests.support.shell import DONE, END_OF_INPUT, INTERRUPTED, REFUSED, WRONG_USAGE, Shell

NOBODY = "a" * 16


def queued(daemon: Daemon, *names: str, session: str | None = None) -> list[str]:
    """Jobs in the queue of a daemon that is held."""
    jobs = [quick(daemon.out / f"{name}.mp4", name=name, session=session) for name in names]
    return [str(daemon.submit(job)["id"]) for job in jobs]


def statuses(daemon: Daemon, ids: list[str]) -> list[str]:
    return [str(daemon.view(job_id)["status"]) for job_id in ids]


# ---------------------------------------------------------------- which jobs


def test_a_session_means_its_jobs_and_no_others(held: Daemon, shell: Shell) -> None:
    mine, others = queued(held, "a", "b", session="mine"), queued(held, "c", session="others")
    said = shell.do("cancel", "--session", "mine", "--yes")
    assert said.splitlines() == [f"{job_id} cancelled" for job_id in mine]
    assert statuses(held, mine + others) == ["cancelled", "cancelled", "queued"]


def test_a_status_means_all_such_jobs_of_the_session(daemon: Daemon, shell: Shell) -> None:
    done = daemon.finish(quick(daemon.out / "done.mp4", session="mixed"))["id"]
    running = daemon.rendering(lasting(daemon.out / "running.mp4", session="mixed"))
    said = shell.do("delete", "--session", "mixed", "--status", "completed", "--status", "failed", "--yes")
    assert said == f"{done} deleted\n  removed  {daemon.out / 'done.mp4'}\n"
    assert daemon.view(running)["status"] == "processing"


def test_boost_of_a_session_keeps_the_order_of_its_jobs(held: Daemon, shell: Shell) -> None:
    queued(held, "x")
    a, b = queued(held, "a", "b", session="first")
    said = shell.do("boost", "--session", "first", "--front").splitlines()
    assert said == [
        f"{a} has priority 0, place 1 in the queue: a",
        f"{b} has priority 0, place 2 in the queue: b",
    ]


def test_several_results_are_one_document_shaped_as_replies_are(held: Daemon, shell: Shell) -> None:
    mine = queued(held, "a", "b")
    ran = shell.run("cancel", mine[0], NOBODY, mine[1], "--yes", "--json")
    assert ran.status == REFUSED
    assert f"{NOBODY}: not_found: " in ran.err
    entries = {entry["job_id"]: entry for entry in ran.json()["results"]}
    assert [entries[job_id]["ok"] for job_id in (*mine, NOBODY)] == [True, True, False]
    for job_id in mine:
        check(entries[job_id]["result"]["job"], JOB)
    assert entries[NOBODY]["error"]["code"] == "not_found"
    deleted = shell.result("delete", *mine, "--yes")["results"]
    for entry in deleted:
        check(entry["result"], DELETED)


def test_where_no_job_is_meant_that_is_said(shell: Shell) -> None:
    nobodys = {
        "cancel --session tpyo --yes": "none is queued or processing in session 'tpyo'",
        "delete --session tpyo --status failed --yes --json": "none is failed in session 'tpyo'",
        "delete --session tpyo --yes": "there is none in session 'tpyo'",
        "boost --session tpyo --front --json": "none is queued in session 'tpyo'",
    }
    for ran, (words, said) in zip(shell.each(words.split() for words in nobodys), nobodys.items(), strict=True):
        out = '{"results":[]}\n' if "--json" in words else ""
        assert ran == (DONE, out, f"No job matches: {said}.\n")


def test_either_ids_or_what_they_have_in_common(shell: Shell) -> None:
    for command in (["cancel"], ["delete"], ["boost", "--front"]):
        neither, both = shell.each([command, [*command, NOBODY, "--session", "mine"]])
        assert (neither.status, both.status) == (WRONG_USAGE, WRONG_USAGE)
        assert "which jobs?" in neither.err
        assert "either job ids" in both.err


def test_where_nobody_can_be_asked_nothing_is_done_without_yes(held: Daemon, shell: Shell) -> None:
    ids = queued(held, "a", "b", session="unasked")
    for words in (["cancel", "--session", "unasked"], ["cancel", *ids], ["delete", ids[0], "--force"]):
        said = shell.fails(WRONG_USAGE, *words)
        assert "--yes" in said
        assert "nothing was done" in said
    assert statuses(held, ids) == ["queued", "queued"]


# ---------------------------------------------------------------- what is asked


def test_a_bulk_cancel_names_the_jobs_and_no_leaves_them(held: Daemon, shell: Shell) -> None:
    ids = queued(held, "alpha", "beta", session="asked")
    with shell.terminal("cancel", "--session", "asked") as terminal:
        said = terminal.await_text("Cancel 2 jobs? [y/N]: ")
        terminal.write("n\n")
        assert terminal.ended() == REFUSED
    assert all(job_id in said for job_id in ids)
    assert "alpha" in said
    assert "Nothing was done." in terminal.text
    assert statuses(held, ids) == ["queued", "queued"]


def test_yes_does_it(held: Daemon, shell: Shell) -> None:
    ids = queued(held, "a", "b", session="agreed")
    with shell.terminal("cancel", "--session", "agreed") as terminal:
        terminal.await_text("[y/N]: ")
        terminal.write("y\n")
        assert terminal.ended() == DONE
    assert statuses(held, ids) == ["cancelled", "cancelled"]


def test_the_end_of_input_is_no_answer(held: Daemon, shell: Shell) -> None:
    ids = queued(held, "a", "b", session="silent")
    with shell.terminal("cancel", "--session", "silent") as terminal:
        terminal.await_text("[y/N]: ")
        terminal.write(END_OF_INPUT)
        assert terminal.ended() == INTERRUPTED
    assert statuses(held, ids) == ["queued", "queued"]


def test_delete_names_the_files_that_it_would_remove(daemon: Daemon, shell: Shell) -> None:
    path = daemon.out / "asked.mp4"
    job_id = daemon.finish(quick(path))["id"]
    with shell.terminal("delete", job_id) as terminal:
        said = terminal.await_text("Delete 1 job and 1 file? [y/N]: ")
        terminal.write("n\n")
        assert terminal.ended() == REFUSED
    assert f"would remove {path}" in said
    assert path.exists()
    with shell.terminal("delete", job_id, "--keep-files") as terminal:
        terminal.await_text("Delete 1 job but keep 1 file? [y/N]: ")
        terminal.write("y\n")
        assert terminal.ended() == DONE
    assert path.exists()


def test_a_delete_that_would_be_refused_is_refused_before_anybody_is_asked(held: Daemon, shell: Shell) -> None:
    [waiting] = queued(held, "waiting", session="both")
    with shell.terminal("delete", waiting) as terminal:
        assert terminal.ended() == REFUSED
    assert terminal.text == "rushes: conflict: the job is queued; --force cancels it first\n"

    held.result("cancel", job_id=queued(held, "cancelled", session="both")[0])
    with shell.terminal("delete", "--session", "both") as terminal:
        terminal.await_text("Delete 1 job? [y/N]: ")
        terminal.write("y\n")
        assert terminal.ended() == REFUSED
    assert f"{waiting}: conflict: " in terminal.text
    assert [job["id"] for job in held.result("list", session="both")["jobs"]] == [waiting]

    with shell.terminal("delete", waiting, "--force") as terminal:
        terminal.await_text("Delete 1 job (1 still to run: cancelled first)? [y/N]: ")
        terminal.write("y\n")
        assert terminal.ended() == DONE
    assert held.result("list", session="both")["jobs"] == []
