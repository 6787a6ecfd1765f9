"""What a receiver's answer means: for how long an event is tried, and when the next one has its turn."""

import math

import pytest

from actors.webhooks.answers import EVENT_SECONDS, LONGEST_PAUSE, REFUSAL_SECONDS, Problem, judge


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_what_begins_with_2_is_a_yes(status: int) -> None:
    assert judge(status, None) is None


@pytest.mark.parametrize(
    ("status", "seconds"),
    [(103, math.inf), (301, math.inf), (307, math.inf), (500, math.inf), (503, math.inf), (599, math.inf),
     (408, math.inf), (425, math.inf), (429, math.inf), (400, EVENT_SECONDS), (413, EVENT_SECONDS),
     (422, EVENT_SECONDS), (401, REFUSAL_SECONDS), (403, REFUSAL_SECONDS), (404, REFUSAL_SECONDS)],
)  # fmt: skip
def test_anything_else_is_tried_again_for_as_long_as_there_is_hope(status: int, seconds: float) -> None:
    problem = judge(status, None)
    assert problem is not None
    assert problem.patience == seconds
    assert str(status) in problem.why


def test_one_who_is_away_is_waited_for() -> None:
    assert Problem("connection refused").patience == math.inf


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("100000", LONGEST_PAUSE), (None, 0), ("", 0), ("-1", 0), ("soon", 0), ("٣", 0), ("1.5", 0),
     ("Wed, 21 Oct 2026 07:28:00 GMT", 0)],
)  # fmt: skip
def test_a_receiver_may_ask_for_a_pause_that_has_a_bound(text: str | None, seconds: float) -> None:
    problem = judge(503, text)
    assert problem is not None
    assert problem.pause == seconds
