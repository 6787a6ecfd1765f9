"""PROTOCOL.md section 2: the same id twice has one effect, whatever happens in between."""

from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick
from tests.support.wire import Dealer, Map, new_id


def total_of(daemon: Daemon) -> int:
    counts: dict[str, int] = daemon.result("status")["counts"]
    return sum(counts.values())


def test_the_same_command_again_gets_the_first_reply_and_makes_no_second_job(daemon: Daemon) -> None:
    job, command_id = quick(daemon.out / "a.mp4"), new_id()
    first = daemon.ask("submit", id=command_id, job=job)
    jobs = total_of(daemon)
    daemon.outcome(first["result"]["job"]["id"])
    assert daemon.ask("submit", id=command_id, job=job) == first
    assert total_of(daemon) == jobs


def test_another_connection_of_the_same_user_gets_the_first_reply_too(daemon: Daemon) -> None:
    job, command_id = quick(daemon.out / "b.mp4"), new_id()
    first = daemon.ask("submit", id=command_id, job=job)
    with Dealer(daemon.bus) as other:
        assert other.ask("submit", id=command_id, job=job) == first


def test_the_same_command_twice_under_way_makes_one_job(daemon: Daemon) -> None:
    job, command_id = quick(daemon.out / "c.mp4"), new_id()
    jobs = total_of(daemon)
    daemon.wire.send("submit", id=command_id, job=job)
    daemon.wire.send("submit", id=command_id, job=job)
    first, second = daemon.wire.receive(), daemon.wire.receive()
    assert first == second
    assert total_of(daemon) == jobs + 1


def test_the_same_id_with_another_body_is_refused_and_does_nothing(daemon: Daemon) -> None:
    command_id = new_id()
    daemon.result("submit", id=command_id, job=quick(daemon.out / "d.mp4"))
    jobs = total_of(daemon)
    other: list[Map] = [quick(daemon.out / "e.mp4"), quick(daemon.out / "d.mp4", priority=1)]
    for job in other:
        assert daemon.refusal("submit", id=command_id, job=job)["code"] == "id_reused"
    assert daemon.refusal("drain", id=command_id)["code"] == "id_reused"
    assert total_of(daemon) == jobs
    assert daemon.result("status")["draining"] is False


def test_a_refusal_is_repeated_as_it_was_even_once_it_would_be_accepted(daemon: Daemon) -> None:
    target, command_id = daemon.out / "f.mp4", new_id()
    target.write_bytes(b"in the way")
    first = daemon.ask("submit", id=command_id, job=quick(target))
    assert first["error"]["code"] == "conflict"
    target.unlink()
    assert daemon.ask("submit", id=command_id, job=quick(target)) == first
    assert daemon.finish(quick(target))["status"] == "completed"


def test_a_cancel_that_is_sent_again_tells_what_the_first_did(daemon: Daemon) -> None:
    job_id, command_id = daemon.submit(lasting(daemon.out / "g.mp4"))["id"], new_id()
    first = daemon.ask("cancel", id=command_id, job_id=job_id)
    assert first["result"]["changed"] is True
    daemon.outcome(job_id)
    assert daemon.ask("cancel", id=command_id, job_id=job_id) == first


def test_a_command_that_waits_and_is_sent_again_meanwhile_is_answered_twice_alike(daemon: Daemon) -> None:
    job_id, command_id = daemon.submit(lasting(daemon.out / "h.mp4"))["id"], new_id()
    daemon.wire.send("cancel", id=command_id, job_id=job_id, wait=30)
    daemon.wire.send("cancel", id=command_id, job_id=job_id, wait=30)
    first, second = daemon.wire.receive(), daemon.wire.receive()
    assert first["result"]["job"]["status"] == second["result"]["job"]["status"] == "cancelled"
    assert daemon.kinds(job_id).count("cancelling") <= 1


def test_a_delete_that_is_sent_again_is_not_told_that_the_job_is_not_found(daemon: Daemon) -> None:
    job_id, command_id = daemon.finish(quick(daemon.out / "i.mp4"))["id"], new_id()
    first = daemon.ask("delete", id=command_id, job_id=job_id)
    assert first["ok"] is True
    assert daemon.ask("delete", id=command_id, job_id=job_id) == first


def test_a_command_that_only_reads_is_simply_answered_again(daemon: Daemon) -> None:
    command_id = new_id()
    before = daemon.result("status", id=command_id)
    daemon.finish(quick(daemon.out / "j.mp4"))
    assert daemon.result("status", id=command_id)["last_seq"] > before["last_seq"]
    assert daemon.result("list", id=command_id)["jobs"]


def test_the_first_reply_and_the_first_refusal_survive_the_daemons_death(daemon: Daemon) -> None:
    daemon.result("drain")
    accepted, refused = new_id(), new_id()
    job = quick(daemon.out / "accepted.mp4", session="deathless")
    bad = quick(daemon.out / "missing" / "a.mp4")
    first, refusal = daemon.ask("submit", id=accepted, job=job), daemon.ask("submit", id=refused, job=bad)
    daemon.restart()
    (daemon.out / "missing").mkdir()
    assert daemon.ask("submit", id=accepted, job=job) == first
    assert daemon.ask("submit", id=refused, job=bad) == refusal
    assert daemon.refusal("submit", id=accepted, job=bad)["code"] == "id_reused"
    assert len(daemon.result("list", session="deathless")["jobs"]) == 1


def test_what_was_acknowledged_is_there_after_a_death_in_the_next_moment(daemon: Daemon) -> None:
    daemon.result("drain")
    for round_ in range(3):
        asked = [daemon.wire.send("submit", job=quick(daemon.out / f"{round_}-{n}.mp4")) for n in range(20)]
        accepted = [daemon.wire.reply_to(command_id)["result"]["job"]["id"] for command_id in asked]
        daemon.restart()
        there = {job["id"] for job in daemon.result("list", limit=1000)["jobs"]}
        assert set(accepted) <= there
