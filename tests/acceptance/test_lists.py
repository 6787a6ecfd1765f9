"""PROTOCOL.md: `list`, its orders, filters and pages."""

from collections.abc import Iterator

import pytest

from tests.support.contract import JOB, check
from tests.support.daemon import Daemon, serving
from tests.support.jobs import quick
from tests.support.wire import Map

JOBS = 25


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    with serving(slots=1) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def ids(shared: Daemon) -> list[str]:
    """Jobs that wait, in the order they were submitted; every fifth is of another session and urgent."""
    shared.result("drain")
    jobs = []
    for number in range(JOBS):
        fifth = number % 5 == 0
        spec = quick(shared.out / f"{number}.mp4", session="urgent" if fifth else "usual", priority=5 * fifth)
        jobs.append(str(shared.submit(spec)["id"]))
    return jobs


@pytest.fixture
def daemon(shared: Daemon) -> Daemon:
    """The daemon with its waiting jobs, which are read only."""
    return shared


def pages(daemon: Daemon, **fields: object) -> Iterator[list[Map]]:
    cursor = None
    while True:
        page = daemon.result("list", cursor=cursor, **fields)
        yield page["jobs"]
        cursor = page["cursor"]
        if cursor is None:
            return


def listed(daemon: Daemon, **fields: object) -> list[str]:
    return [job["id"] for page in pages(daemon, **fields) for job in page]


def test_the_newest_come_first_where_nothing_is_said(daemon: Daemon, ids: list[str]) -> None:
    result = daemon.result("list")
    assert [job["id"] for job in result["jobs"]] == ids[::-1]
    assert result["cursor"] is None
    for job in result["jobs"]:
        check(job, JOB)


def test_the_oldest_come_first_where_that_is_asked_for(daemon: Daemon, ids: list[str]) -> None:
    assert listed(daemon, order="oldest") == ids


def test_the_queue_is_listed_as_it_will_run(daemon: Daemon, ids: list[str]) -> None:
    urgent = ids[::5]
    usual = [job_id for job_id in ids if job_id not in urgent]
    assert listed(daemon, order="queue") == urgent + usual


@pytest.mark.parametrize("order", ["newest", "oldest", "queue"])
@pytest.mark.parametrize("limit", [1, 4, 25, 1000])
def test_pages_go_through_all_jobs_once(daemon: Daemon, ids: list[str], order: str, limit: int) -> None:
    found = list(pages(daemon, order=order, limit=limit))
    assert all(len(page) <= limit for page in found)
    assert [job["id"] for page in found for job in page] == listed(daemon, order=order)
    assert sorted(job["id"] for page in found for job in page) == sorted(ids)


def test_positions_go_on_over_the_pages_of_the_queue(daemon: Daemon, ids: list[str]) -> None:
    positions = [job["position"] for page in pages(daemon, order="queue", limit=7) for job in page]
    assert positions == list(range(1, len(ids) + 1))


def test_a_session_lists_its_own_jobs(daemon: Daemon, ids: list[str]) -> None:
    assert listed(daemon, session="urgent", order="oldest") == ids[::5]
    assert listed(daemon, session="urgent", order="oldest", limit=2) == ids[::5]
    assert listed(daemon, session="nobody's") == []


def test_a_status_lists_its_own_jobs(daemon: Daemon, ids: list[str]) -> None:
    assert len(listed(daemon, status=["queued"])) == len(ids)
    assert len(listed(daemon, status=["queued", "failed"])) == len(ids)
    assert listed(daemon, status=["processing", "completed", "failed", "cancelled"]) == []


def test_a_status_and_a_session_together_list_what_fits_both(daemon: Daemon, ids: list[str]) -> None:
    assert listed(daemon, status=["queued"], session="urgent", order="oldest") == ids[::5]
    assert listed(daemon, status=["completed"], session="urgent") == []


def test_a_prefix_lists_the_ids_that_begin_so(daemon: Daemon, ids: list[str]) -> None:
    assert listed(daemon, prefix=ids[3]) == [ids[3]]
    assert ids[3] in listed(daemon, prefix=ids[3][:4])
    assert listed(daemon, prefix="%") == listed(daemon, prefix="_") == []


def test_jobs_that_come_in_between_two_pages_disturb_no_page(daemon: Daemon, ids: list[str]) -> None:
    first = daemon.result("list", order="newest", limit=10)
    added = str(daemon.submit(quick(daemon.out / "between.mp4"))["id"])
    rest = daemon.result("list", order="newest", limit=1000, cursor=first["cursor"])
    assert [job["id"] for job in first["jobs"] + rest["jobs"]] == ids[::-1]
    daemon.result("delete", job_id=added, force=True)


def test_the_counts_of_the_status_are_those_of_the_list(daemon: Daemon, ids: list[str]) -> None:
    status = daemon.result("status")
    assert status["queued"] == status["counts"]["queued"] == len(ids)
    assert (status["running"], status["draining"]) == (0, True)
