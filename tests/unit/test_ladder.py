"""The stop ladder: asked, then told, then killed, one grace apart."""

from hypothesis import given
from hypothesis import strategies as st

from actors.ffmpeg.ladder import RUNGS, Ladder

START = 100.0
GRACE = 2.0


def test_the_rungs_are_those_of_the_protocol() -> None:
    assert RUNGS == ("q", "SIGTERM", "SIGKILL")


def test_each_rung_is_due_one_grace_after_the_one_before_and_only_once() -> None:
    ladder = Ladder(GRACE, START)
    taken = [ladder.take(START + after) for after in (0, 0, 1.9, 2, 3.9, 4, 100)]
    assert taken == ["q", None, None, "SIGTERM", None, "SIGKILL", None]


def test_it_says_how_long_to_wait_for_the_next_rung() -> None:
    ladder = Ladder(GRACE, START)
    assert ladder.until_next(START) == 0.0
    ladder.take(START)
    assert ladder.until_next(START + 0.5) == 1.5
    assert ladder.until_next(START + 50) == 0.0
    ladder.take(START + 50)
    ladder.take(START + 50)
    assert ladder.until_next(START + 50) is None


def test_without_a_grace_all_rungs_are_due_at_once_in_order() -> None:
    ladder = Ladder(0.0, START)
    assert [ladder.take(START) for _ in range(4)] == [*RUNGS, None]


@given(st.floats(0, 600), st.lists(st.floats(0, 3000)))
def test_whenever_it_is_looked_at_the_rungs_come_in_order_and_none_too_early(grace: float, looks: list[float]) -> None:
    ladder = Ladder(grace, START)
    taken = []
    for after in sorted(looks):
        rung = ladder.take(START + after)
        if rung is not None:
            assert START + after >= START + RUNGS.index(rung) * grace
            taken.append(rung)
    assert taken == list(RUNGS[: len(taken)])


@given(st.integers(0, 600))
def test_one_that_waits_as_long_as_it_is_told_climbs_to_the_top(grace: float) -> None:
    ladder, now, taken = Ladder(grace, START), START, []
    while (wait := ladder.until_next(now)) is not None:
        now += wait
        taken.append(ladder.take(now))
    assert taken == list(RUNGS)
