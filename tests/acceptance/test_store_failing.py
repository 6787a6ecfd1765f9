"""Promise: what was acknowledged is there, whatever fsync or write failed, and nothing is done twice."""

import errno
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

import pytest

from tests.support.faults import Tried, tried
from tests.support.jobs import quick
from tests.support.libfiu import Fault, fail, failing, preload
from tests.support.wire import Dealer, Map, new_id

FAULTS = [
    Fault("posix/io/sync/fdatasync", errno.EIO),
    Fault("posix/io/rw/pwrite", errno.EIO),
    Fault("posix/io/rw/pwrite", errno.ENOSPC),
]
"""SQLite syncs with fdatasync, and writes with pwrite."""

PROBABILITY = 0.05
ROUNDS = 70
SUBMITS, CANCELS = 4, 1
"""Of each client in each round; a round is a commit or two."""

MOST_ROUNDS = 1000
"""In so many rounds chance has hit something."""

COMMANDS = 2000

REPEATED = 20
"""Acknowledged commands of each client that are sent again after the crash."""


class Caller:
    """One client, and what it was told. A job's name is the id of the command that submits it."""

    def __init__(self, daemon: Tried) -> None:
        self._daemon = daemon
        self.wire = Dealer(daemon.bus)
        self.sent: dict[str, Map] = {}
        self.told: dict[str, Map] = {}
        self.refused: dict[str, Map] = {}
        self.unavailable = 0
        self._under_way: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()

    def submit(self) -> None:
        command_id = new_id()
        self._send(command_id, type="submit", job=quick(self._daemon.out / f"{command_id}.mp4", name=command_id))

    def cancel(self) -> None:
        """Cancel the newest job that it knows of and has not yet wished away."""
        wished = {body.get("job_id") for body in self.sent.values()}
        known = (reply["result"]["job"]["id"] for reply in reversed(self.told.values()) if "job" in reply["result"])
        job_id = next((job_id for job_id in known if job_id not in wished), None)
        if job_id is not None:
            self._send(new_id(), type="cancel", job_id=job_id)

    def repeat(self) -> None:
        """Send one of the commands again that could not be stored, with the same id."""
        if self.refused:
            command_id = next(iter(self.refused))
            self._send(command_id, **self.refused.pop(command_id))

    def repeat_all(self) -> None:
        """Send everything again that has no reply that counts."""
        for command_id in [command_id for command_id in self.sent if command_id not in self.told]:
            self._send(command_id, **self.sent[command_id])

    def repeat_the_last(self) -> None:
        """Send what was acknowledged last again: each gets the reply that it had."""
        for command_id in list(self.told)[-REPEATED:]:
            self._send(command_id, **self.sent[command_id])
            assert self.wire.reply_to(self._under_way.pop()) == self.told[command_id]

    def _send(self, command_id: str, **body: object) -> None:
        self.sent[command_id] = body
        kind, fields = body["type"], {name: value for name, value in body.items() if name != "type"}
        self.wire.send(str(kind), id=command_id, **fields)
        self._under_way.append(command_id)

    def listen(self) -> None:
        """Hear what became of all that is under way."""
        while self._under_way:
            command_id = self._under_way.pop()
            reply = self.wire.reply_to(command_id)
            if reply["ok"]:
                self.told[command_id] = reply
            else:
                assert reply["error"]["code"] == "unavailable", reply
                self.refused[command_id] = self.sent[command_id]
                self.unavailable += 1

    def reconnect(self) -> None:
        """Its daemon has died, and took what was under way with it."""
        self.wire.close()
        self.wire = Dealer(self._daemon.bus)
        self._under_way.clear()

    def submitted(self) -> set[str]:
        return {command_id for command_id, body in self.sent.items() if body["type"] == "submit"}


@pytest.fixture
def daemon() -> Iterator[Tried]:
    """No job of its begins, so that no child has the preload, too."""
    expects = {"store_unavailable", "store_full"}
    with tried(slots=1, env=preload(), expects=expects) as found:
        found.result("drain")
        yield found


def load(callers: list[Caller]) -> None:
    """One round of commands from all of them at once."""
    for caller in callers:
        caller.repeat()
        for _ in range(SUBMITS):
            caller.submit()
        for _ in range(CANCELS):
            caller.cancel()


def listen(callers: list[Caller]) -> None:
    for caller in callers:
        caller.listen()


def all_jobs(daemon: Tried) -> list[Map]:
    jobs: list[Map] = []
    cursor = None
    while True:
        page = daemon.result("list", limit=1000, cursor=cursor, order="oldest")
        jobs += page["jobs"]
        cursor = page["cursor"]
        if cursor is None:
            return jobs


def check(daemon: Tried, callers: list[Caller]) -> None:
    """Hold what is there against what each client was told."""
    jobs = all_jobs(daemon)
    by_id = {job["id"]: job for job in jobs}
    assert max(Counter(job["name"] for job in jobs).values()) == 1, "a command was carried out twice"
    events = Counter((event["job_id"], event["type"]) for event in all_events(daemon))
    for caller in callers:
        for command_id, reply in caller.told.items():
            job = by_id.get(reply["result"]["job"]["id"])
            assert job is not None, f"an acknowledged {caller.sent[command_id]['type']} is lost"
            if caller.sent[command_id]["type"] == "cancel":
                assert job["status"] == "cancelled", "an acknowledged cancel is lost"
    names = set().union(*(caller.submitted() for caller in callers))
    assert {job["name"] for job in jobs} <= names
    for job in jobs:
        # Wholly there: with its outputs and its history, of which there is one.
        assert (job["status"] in ("queued", "cancelled"), job["total_outputs"]) == (True, 1)
        assert events[job["id"], "job.submitted"] == 1
        assert events[job["id"], "job.cancelled"] == (job["status"] == "cancelled")
    assert {job_id for job_id, _ in events} - {None} == set(by_id), "there is history of a job that is not there"
    assert daemon.has_gapless_seq()


def all_events(daemon: Tried) -> list[Map]:
    found: list[Map] = []
    while page := daemon.events(since=len(found)):
        found += page
    return found


def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice_while_the_disk_fails(daemon: Tried) -> None:
    with ExitStack() as stack:
        callers = [stack.enter_context(Caller(daemon)) for _ in range(2)]
        for fault in FAULTS:
            before = sum(caller.unavailable for caller in callers)
            with failing(daemon, fault, PROBABILITY):
                for number in range(MOST_ROUNDS):
                    load(callers)
                    listen(callers)
                    if number >= ROUNDS and sum(caller.unavailable for caller in callers) > before:
                        break
                else:
                    pytest.fail(f"{fault} hit nothing")
        for told_of in ("store_reopened", "store_has_room", "store_unavailable"):
            daemon.says(told_of)
        # Some go unanswered, for the daemon dies, while it fails to sync what came last.
        fail(daemon, FAULTS[0], PROBABILITY)
        load(callers)
        daemon.kill9()
        daemon.heal()
        daemon.start()
        for caller in callers:
            caller.reconnect()
        check(daemon, callers)
        for caller in callers:
            caller.repeat_the_last()
            caller.repeat_all()
        listen(callers)
        check(daemon, callers)
        assert sum(len(caller.told) for caller in callers) == sum(len(caller.sent) for caller in callers) > COMMANDS
        assert len(all_jobs(daemon)) == sum(len(caller.submitted()) for caller in callers)


def test_who_cannot_be_told_of_jobs_is_told_what_the_disk_says(daemon: Tried) -> None:
    daemon.submit(quick(daemon.out / "one.mp4"))  # so that the Archive has it yet to read
    with failing(daemon, Fault("posix/io/rw/pread", errno.ESTALE), 1):
        refusal = daemon.refusal("list")
    said = "disk I/O error"
    assert (refusal["code"], refusal["message"]) == ("unavailable", f"the store cannot be read: {said}")
    assert said in {line["error"] for line in daemon.lines("store_unavailable")}
    assert len(daemon.result("list")["jobs"]) == 1
    daemon.kill9()  # a SIGTERM would end libfiu's own thread, and so the whole
