"""What the hub counts, by hand: which reply belongs to which command, and what is no business of a histogram."""

from itertools import product

import pytest

from bus import messages as m
from bus import traffic as traffic_module
from bus.codec import encode, reply_head
from bus.errors import REFUSALS
from bus.histogram import Histogram
from bus.replies import refusal_body, result_body
from bus.traffic import LATENCY_SECONDS, Traffic

IDS = ["x", "x" * 31, "x" * 32, "é" * 64, "\U0001f3ac" * 64]
"""Of each length that msgpack writes in another way."""

ALICE, BOB = b"\0alice", b"\0bob"


@pytest.mark.parametrize(("command_id", "code"), [*product([*IDS, None], REFUSALS)])
def test_the_head_of_a_refusal_is_read_without_the_rest(command_id: str | None, code: str) -> None:
    body = refusal_body(command_id, REFUSALS[code]("because", {"path": "ok", "re": "other"}))
    assert reply_head(body) == ((command_id or "").encode(), False)


@pytest.mark.parametrize("command_id", IDS)
def test_the_head_of_a_result_is_read_without_the_rest(command_id: str) -> None:
    assert reply_head(result_body(command_id, m.DrainResult(draining=False))) == (command_id.encode(), True)


def test_a_reply_that_begins_in_another_way_is_read_all_the_same() -> None:
    assert reply_head(encode({"ok": True, "re": "x", "v": 1})) == (b"x", True)
    assert reply_head(encode({"v": 2, "re": None, "ok": False})) == (b"", False)


def test_a_value_is_in_the_first_range_whose_bound_it_does_not_pass() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.0, 1.0, 1.5, 2.0, 2.1, 7.0):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 2]
    assert histogram.total == pytest.approx(13.6)


def taken(traffic: Traffic, kind: type[m.Command]) -> int:
    """How many commands of a kind have had their time taken."""
    return sum(traffic.latency[kind].counts)


def test_a_command_is_timed_by_its_own_reply() -> None:
    traffic = Traffic()
    traffic.came(ALICE, m.Status(id="1"))
    traffic.came(BOB, m.Get(id="1", job_id="x"))
    traffic.replied(BOB, result_body("2", m.DrainResult(draining=True)))  # of no command that came
    assert taken(traffic, m.Get) == taken(traffic, m.Status) == 0
    traffic.replied(BOB, result_body("1", m.DrainResult(draining=True)))
    assert (taken(traffic, m.Get), taken(traffic, m.Status)) == (1, 0)
    traffic.replied(BOB, result_body("1", m.DrainResult(draining=True)))  # it is answered already
    assert taken(traffic, m.Get) == 1
    traffic.replied(ALICE, refusal_body("1", REFUSALS["busy"]("no")))
    assert taken(traffic, m.Status) == 1
    assert 0 < traffic.latency[m.Status].total < LATENCY_SECONDS[-1]
    assert (traffic.refusals["busy"], traffic.refusals.total()) == (1, 1)
    assert (traffic.commands[m.Status], traffic.commands[m.Get]) == (1, 1)


def test_a_command_that_waits_for_a_job_is_counted_and_not_timed() -> None:
    traffic = Traffic()
    traffic.came(ALICE, m.Get(id="1", job_id="x", wait=3600.0))
    traffic.replied(ALICE, result_body("1", m.DrainResult(draining=True)))
    assert (traffic.commands[m.Get], taken(traffic, m.Get)) == (1, 0)


def test_replies_that_never_come_cost_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_module, "MAX_UNDER_WAY", 3)
    traffic = Traffic()
    for number in range(10):
        traffic.came(ALICE, m.Status(id=str(number)))
    for number in range(10):
        traffic.replied(ALICE, result_body(str(number), m.DrainResult(draining=True)))
    assert taken(traffic, m.Status) == 10 % 3
    assert traffic.commands[m.Status] == 10


def test_events_are_counted_by_type_and_never_by_job() -> None:
    traffic = Traffic()
    for topic in (b"job.k7m2.started", b"job.x9.started", b"daemon.heartbeat"):
        traffic.published(topic)
    assert traffic.events == {b"job.started": 2, b"daemon.heartbeat": 1}
