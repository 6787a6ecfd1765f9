"""The kinds of jobs of a round, and what each may come to when nobody meddles."""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.support.fakes import tempered
from tests.support.jobs import FAST, lasting, picture, quick, transcode
from tests.support.wire import Map

QUICK_SECONDS = 0.5
"""What `quick` of tests/support/jobs.py renders."""

LASTING_SECONDS = (1.0, 2.5)
"""Long enough to be met by a crash or two, short enough to end within the round."""

PIECE_SECONDS = (0.2, 0.7)
"""Of each output of a series, so that a crash often falls between two of them."""

TIMEOUT_SECONDS = (0.3, 0.8)

MAX_OUTPUTS = 3


class Made(NamedTuple):
    """A job of a recipe: its spec, and the seconds that each of its outputs lasts once it is complete."""

    job: Map
    seconds: float


class Recipe(NamedTuple):
    """A kind of job.

    Attributes:
        weight: how often it is chosen, beside the others' weights.
        outputs: the most outputs that it has.
        make: the job for these targets.
        fails_with: the codes of the errors that an attempt may end with by itself.
        completes: whether the job does, where nobody stops it.
        more: what its spec has besides.

    """

    weight: int
    outputs: int
    make: Callable[[Random, Sequence[Path]], Made]
    fails_with: frozenset[str] = frozenset()
    completes: bool = False
    more: Callable[[Random], Map] = lambda rng: {}


def _quick(rng: Random, targets: Sequence[Path]) -> Made:
    return Made(quick(*targets), QUICK_SECONDS)


def _real_time(rng: Random, targets: Sequence[Path], bounds: tuple[float, float]) -> Made:
    seconds = round(rng.uniform(*bounds), 1)
    args = ["-c:v", "mpeg4"]
    job = transcode(Path("/nowhere"), *targets, args=args)
    return Made({**job, "inputs": [picture(seconds, real_time=True)]}, seconds)


def _lasting(rng: Random, targets: Sequence[Path]) -> Made:
    return _real_time(rng, targets, LASTING_SECONDS)


def _series(rng: Random, targets: Sequence[Path]) -> Made:
    return _real_time(rng, targets, PIECE_SECONDS)


def _unknown_encoder(rng: Random, targets: Sequence[Path]) -> Made:
    """Where there are several outputs, only the last one fails."""
    job = quick(*targets)
    job["outputs"][-1]["args"] = ["-c:v", "no_such_encoder", *FAST[2:]]
    return Made(job, QUICK_SECONDS)


def _endless(rng: Random, targets: Sequence[Path]) -> Made:
    return Made(lasting(targets[0]), 600)


def _with(temper: str, make: Callable[[Random, Sequence[Path]], Made]) -> Callable[[Random, Sequence[Path]], Made]:
    def tempered_one(rng: Random, targets: Sequence[Path]) -> Made:
        made = make(rng, targets)
        return made._replace(job=tempered(made.job, temper))

    return tempered_one


def _attempts(least: int) -> Callable[[Random], Map]:
    return lambda rng: {"max_attempts": rng.randint(least, 3)}


def _within(field: str) -> Callable[[Random], Map]:
    return lambda rng: {field: round(rng.uniform(*TIMEOUT_SECONDS), 1)}


RECIPES = {
    "quick": Recipe(20, 1, _quick, completes=True),
    "several": Recipe(12, MAX_OUTPUTS, _quick, completes=True),
    "lasting": Recipe(20, 1, _lasting, completes=True),
    "series": Recipe(12, MAX_OUTPUTS, _series, completes=True),
    "flaky": Recipe(6, 1, _with("flaky", _quick), frozenset({"unknown"}), completes=True, more=_attempts(2)),
    "parental": Recipe(6, 1, _with("parental", _quick), completes=True),
    "unknown_encoder": Recipe(6, MAX_OUTPUTS, _unknown_encoder, frozenset({"unknown_encoder"})),
    "crashing": Recipe(5, 1, _with("crashing", _quick), frozenset({"crashed"}), more=_attempts(1)),
    "dying": Recipe(3, 1, _with("dying", _quick), frozenset({"unknown"}), more=_attempts(1)),
    "idle": Recipe(3, 1, _with("idle", _quick), frozenset({"verify_failed"})),
    "lying": Recipe(3, 1, _with("lying", _quick), frozenset({"verify_failed"})),
    "timeout": Recipe(4, 1, _endless, frozenset({"timeout"}), more=_within("timeout")),
    "stalled": Recipe(4, 1, _with("deaf", _endless), frozenset({"stalled"}), more=_within("stall_timeout")),
    "stubborn": Recipe(6, 1, _with("stubborn", _endless)),
    "deaf": Recipe(4, 1, _with("deaf", _endless)),
}
