"""The real Archive over a store full of jobs: pages of lists, events and audit, without a gap or a repetition."""

import itertools
import random
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors import archive
from actors.archive import Archive
from actors.jobs.model import Job, Live, Output, job_ids, timestamp
from actors.jobs.records import AuditRow, EventRow
from actors.jobs.sql import load_job
from actors.jobs.store import Store
from actors.mail import LiveUpdate
from bus import codec
from bus import messages as m
from bus.client import Client
from bus.errors import Invalid, NotFound
from bus.limits import MAX_REPLY_BYTES
from tests.integration.parts import Switchboard, keep
from tests.support.wire import PATIENCE

SESSIONS = (None, "a", "b")
JOBS = 60
IDS = job_ids()
SPEC = m.JobSpec(inputs=(m.Input("/in"),), outputs=(m.Output("/out"),))


def a_job(number: int, chance: random.Random) -> Job:
    """Any job: some share a priority, and a few were put to the front."""
    outputs = [Output(index=0, path="/out", target=f"/out-{number}", name=None)]
    return Job(
        number=number, id=next(IDS), priority=chance.choice([-1000, 0, 0, 7]),
        rank=chance.choice([number, number, -number]), name=None, session=chance.choice(SESSIONS),
        spec_json=msgspec.json.encode(SPEC), submitted_by="ada", created_at=timestamp(),
        status=chance.choice([*m.STATUSES, "queued", "queued"]), outputs=outputs,
    )  # fmt: skip


@pytest.fixture
def jobs() -> list[Job]:
    chance = random.Random(7)
    return [a_job(number, chance) for number in range(1, JOBS + 1)]


@pytest.fixture
def store(folder: Path, jobs: list[Job]) -> Iterator[Store]:
    with closing(Store(folder)) as found:
        with found.transaction():
            for job in jobs:
                keep(found, job)
        yield found


@pytest.fixture
def client(folder: Path, store: Store, switchboard: Switchboard) -> Iterator[Client]:
    archive = Archive.start(switchboard.hub, folder, folder / "work")
    with Client(switchboard.address, deadline=PATIENCE) as found:
        yield found
    archive.stop(timeout=PATIENCE)


def pages(client: Client, **wanted: Any) -> list[m.JobView]:
    """All pages of a list, one after the other."""
    found: list[m.JobView] = []
    cursor = None
    while True:
        page = client.list(**wanted, cursor=cursor)
        assert len(page.jobs) <= wanted["limit"]
        found += page.jobs
        cursor = page.cursor
        if cursor is None:
            return found
        assert page.jobs, "a page that is not the last has something on it"


def expected(jobs: list[Job], order: str, status: list[str] | None, session: str | None) -> list[str]:
    """The ids of a list as a reader of the protocol would write it."""
    kept = [
        job
        for job in jobs
        if (status is None or job.status in status)
        and (session is None or job.session == session)
        and (order != "queue" or job.status == "queued")
    ]
    if order == "queue":
        kept.sort(key=lambda job: (-job.priority, job.rank))
    return [job.id for job in (reversed(kept) if order == "newest" else kept)]


@pytest.mark.parametrize("order", ["newest", "oldest", "queue"])
@pytest.mark.parametrize("limit", [1, 7, JOBS, 1000])
def test_the_pages_of_a_list_are_the_whole_list_in_order(
    client: Client, jobs: list[Job], order: str, limit: int
) -> None:
    for status, session in itertools.product([None, ["queued"], ["failed", "queued", "failed"], []], SESSIONS):
        found = pages(client, order=order, limit=limit, status=status, session=session)
        assert [view.id for view in found] == expected(jobs, order, status, session), (status, session)


def test_what_is_answered_is_of_one_moment(
    client: Client, store: Store, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is deleted after the Archive has read its row, and before it reads the rows of its outputs."""
    is_read, is_gone = threading.Event(), threading.Event()

    def load_slowly(*found: Any) -> Job:
        is_read.set()
        assert is_gone.wait(PATIENCE)
        return load_job(*found)

    def delete() -> None:
        assert is_read.wait(PATIENCE)
        with closing(Store(store.path.parent)) as other, other.transaction():
            other.remove(jobs[0])
        is_gone.set()

    monkeypatch.setattr(archive, "load_job", load_slowly)
    deleting = threading.Thread(target=delete)
    deleting.start()
    assert client.get(jobs[0].id).job.outputs[0].path == "/out"
    deleting.join()
    with pytest.raises(NotFound):
        client.get(jobs[0].id)


@pytest.mark.parametrize("limit", [3, 1000])
def test_only_the_list_by_queue_tells_positions_and_they_are_right(client: Client, jobs: list[Job], limit: int) -> None:
    places = {job_id: place for place, job_id in enumerate(expected(jobs, "queue", None, None), start=1)}
    for session in SESSIONS:
        for view in pages(client, order="queue", limit=limit, session=session):
            assert view.position == places[view.id]
    assert all(view.position is None for view in pages(client, limit=limit))
    assert client.get(next(iter(places))).job.position == 1


@pytest.mark.parametrize("limit", [1, 1000])
def test_a_prefix_finds_the_jobs_whose_ids_begin_with_it(client: Client, jobs: list[Job], limit: int) -> None:
    for prefix in {job.id[:1] for job in jobs} | {jobs[0].id, jobs[0].id[:4], "0", "zzzz", "é", "%", "_"}:
        found = pages(client, prefix=prefix, limit=limit)
        assert [view.id for view in found] == sorted(job.id for job in jobs if job.id.startswith(prefix))
    queued = pages(client, prefix=jobs[0].id[:1], limit=limit, status=["queued"])
    assert {view.status for view in queued} <= {"queued"}


def test_a_page_goes_on_where_it_stopped_though_jobs_have_come_and_gone(
    client: Client, store: Store, jobs: list[Job]
) -> None:
    first = client.list(limit=10, order="oldest")
    with store.transaction():
        store.remove(jobs[9])
        store.remove(jobs[10])
        store.add(a_job(JOBS + 1, random.Random(1)))
    rest = client.list(limit=1000, order="oldest", cursor=first.cursor)
    assert [view.id for view in rest.jobs][: JOBS - 11] == [job.id for job in jobs[11:]]
    assert len(rest.jobs) == JOBS - 10


@pytest.mark.parametrize("order", ["newest", "oldest", "queue"])
@pytest.mark.parametrize("cursor", ["x", "-", ":", "1:x", "٣", "1.5", "9" * 100, " 1", "--1:2"])
def test_a_cursor_that_is_none_is_refused_and_ends_nothing(client: Client, order: Any, cursor: str) -> None:
    with pytest.raises(Invalid) as refusal:
        client.list(order=order, cursor=cursor)
    assert refusal.value.details["path"] == "cursor"
    assert client.list(limit=1).jobs


def test_a_page_ends_early_rather_than_be_too_large(client: Client, store: Store) -> None:
    big = m.JobSpec(outputs=SPEC.outputs, metadata={str(n): "x" * 1000 for n in range(60)})
    chance = random.Random(3)
    with store.transaction():
        for number in range(JOBS + 1, JOBS + 151):
            job = a_job(number, chance)
            job.spec_json = msgspec.json.encode(big)
            keep(store, job)
    page = client.list(limit=1000)
    assert page.cursor is not None
    assert len(codec.encode(page)) < 2 * MAX_REPLY_BYTES
    assert len(pages(client, limit=1000)) == JOBS + 150


def test_what_is_live_is_shown_until_it_is_over(client: Client, switchboard: Switchboard, jobs: list[Job]) -> None:
    job = next(job for job in jobs if job.status == "processing")
    live = Live(job_id=job.id, run=job.runs, index=0, phase="rendering", progress=0.5)
    switchboard.mail("archive", LiveUpdate(job_id=job.id, live=live))
    assert client.get(job.id).job.outputs[0].progress == 0.0, "the output is not being rendered"
    switchboard.mail("archive", LiveUpdate(job_id=job.id, live=None))
    assert client.get(job.id).job.id == job.id


def test_a_job_that_is_not_there_is_not_found(client: Client) -> None:
    for ask in (client.get, client.log):
        with pytest.raises(NotFound):
            ask("nobody")


# ---------------------------------------------------------------- history


def event(seq: int, job_id: str | None) -> EventRow:
    found = m.Event(seq=seq, at="", type="job.x", job_id=job_id, session=None, by=None, command_id=None, data={})
    return EventRow(seq, job_id, codec.encode(found))


@pytest.mark.parametrize("limit", [1, 7, 1000])
@pytest.mark.parametrize("job_id", [None, "a", "nobody"])
def test_the_pages_of_events_are_all_events_after_a_seq(
    client: Client, store: Store, limit: int, job_id: str | None
) -> None:
    with store.transaction():
        store.records.write([event(seq, "ab"[seq % 2]) for seq in range(5, 36)], [], [])
    expected_seqs = [seq for seq in range(5, 36) if job_id in (None, "ab"[seq % 2])]
    for since in (0, 4, 5, 20, 35, 2**63 - 1):
        found: list[int | None] = []
        at = since
        while page := client.events_page(at, job_id=job_id, limit=limit).events:
            found += [one.seq for one in page]
            at = page[-1].seq or 0
        assert found == [seq for seq in expected_seqs if seq > since]
    bounds = client.events_page(0)
    assert (bounds.oldest_seq, bounds.last_seq) == (5, 35)


def test_without_events_there_is_no_oldest(client: Client) -> None:
    page = client.events_page(3)
    assert (page.events, page.oldest_seq, page.last_seq) == ([], None, 0)


def test_the_pages_of_the_audit_are_the_whole_audit(client: Client, store: Store) -> None:
    with store.transaction():
        store.records.write(
            [], [], [AuditRow(timestamp(), "ada", "submit", None, str(n), "ok", None) for n in range(20)]
        )
    found: list[str] = []
    at = 0
    while entries := client.audit(at, limit=7).entries:
        found += [entry.command_id for entry in entries]
        at = entries[-1].seq
    assert found == [str(number) for number in range(20)]
    assert client.audit().last_seq == 20
