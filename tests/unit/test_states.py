"""The table of states against the protocol's own lines, and against every walk through it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.jobs import states

PROTOCOL = {
    ("queued", "processing"),
    ("processing", "completed"),
    ("processing", "failed"),
    ("failed", "queued"),
    ("queued", "cancelled"),
    ("processing", "cancelled"),
    ("processing", "queued"),
}
"""The picture at the end of section 2.4: every move there is."""

TRIGGERS = (states.START, states.COMPLETE, states.FAIL, states.CANCEL, states.RETRY, states.REQUEUE)


def test_a_job_may_go_where_the_protocol_says_and_nowhere_else() -> None:
    pairs = product(states.STATUSES, repeat=2)
    assert {pair for pair in pairs if states.can_transition(*pair)} == PROTOCOL


@given(st.lists(st.sampled_from(TRIGGERS)))
def test_no_walk_leaves_the_table(triggers: list[str]) -> None:
    status = states.QUEUED
    for trigger in triggers:
        try:
            following = states.next_status(status, trigger)
        except states.IllegalMove:
            continue
        assert (status, following) in PROTOCOL
        assert not states.is_terminal(status)
        status = following


def test_a_move_without_a_way_is_refused_and_named() -> None:
    for status, trigger in set(product(states.STATUSES, TRIGGERS)) - set(states.TABLE):
        with pytest.raises(states.IllegalMove, match=f"{status} cannot {trigger}"):
            states.next_status(status, trigger)


def test_a_status_that_is_none_is_refused() -> None:
    with pytest.raises(states.IllegalMove):
        states.next_status("deleted", states.RETRY)


def test_completed_and_cancelled_are_terminal_and_nothing_else_is() -> None:
    assert {status for status in states.STATUSES if states.is_terminal(status)} == {"completed", "cancelled"}


def test_only_a_failed_job_can_be_retried() -> None:
    assert [status for status in states.STATUSES if states.can_retry(status)] == ["failed"]


def test_a_job_is_active_until_it_has_ended() -> None:
    assert [status for status in states.STATUSES if states.is_active(status)] == ["queued", "processing"]
    assert all(states.is_ended(status) is not states.is_active(status) for status in states.STATUSES)


def test_each_status_is_described_for_people() -> None:
    described = {states.describe(status) for status in states.STATUSES}
    assert len(described) == len(states.STATUSES)
