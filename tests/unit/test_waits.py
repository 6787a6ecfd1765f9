"""How long a job waits for its next attempt: doubled each time, bounded, and no two jobs alike."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.jobs import waits
from actors.jobs.waits import JITTER, LONGEST_SECONDS, backoff, longest

failures = st.integers(1, 100)
first = st.one_of(st.just(0.0), st.floats(0.001, LONGEST_SECONDS))


@given(failures, first)
def test_a_wait_is_at_least_half_of_what_it_may_be_and_never_longer(count: int, delay: float) -> None:
    most = longest(count, delay)
    assert (1 - JITTER) * most <= backoff(count, delay) <= most <= LONGEST_SECONDS


@given(failures, first)
def test_it_doubles_with_each_failure_until_it_is_long_enough(count: int, delay: float) -> None:
    assert longest(count + 1, delay) == pytest.approx(min(2 * longest(count, delay), LONGEST_SECONDS))
    assert longest(1, delay) == delay


def test_no_delay_is_none_however_often() -> None:
    assert [backoff(count, 0.0) for count in (1, 2, 1000)] == [0.0] * 3


def test_a_number_of_failures_that_nobody_reaches_is_no_error() -> None:
    assert longest(10_000, 1.0) == LONGEST_SECONDS


def test_chance_decides_between_half_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "random", SimpleNamespace(random=lambda: 0.0))
    assert [backoff(count, 1.0) for count in (1, 2, 3)] == [1, 2, 4]
    monkeypatch.setattr(waits, "random", SimpleNamespace(random=lambda: 1.0))
    assert [backoff(count, 1.0) for count in (1, 2, 3)] == [0.5, 1, 2]


def test_jobs_that_failed_together_do_not_come_back_together() -> None:
    assert len({backoff(3, 1.0) for _ in range(100)}) > 90
