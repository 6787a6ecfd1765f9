"""Ten short rounds of `make soak`: nine whose choices are always the same, and one that is new each time."""

import time

import pytest

from tests.soak.plan import FULL, SHORT, plan
from tests.soak.round import play

SEEDS = tuple(range(1, 10))


@pytest.mark.parametrize("seed", [*SEEDS, None])
def test_every_promise_holds_after_a_round_of_crashes(seed: int | None) -> None:
    seed = int(time.time()) if seed is None else seed
    outcome = play(seed, SHORT)
    wrong = "\n".join(outcome.wrong)
    assert not outcome.wrong, f"seed {seed}, in {outcome.folder}:\n{wrong}"


def test_a_seed_gives_the_same_plan_for_ever() -> None:
    assert plan(7, FULL) == plan(7, FULL)
    assert plan(7, FULL) != plan(8, FULL)
