"""`make soak`: rounds of random commands and random deaths, each followed by every promise.

`make soak ROUNDS=200` plays 200 rounds with seeds from the clock; `make soak SEED=n` makes the random choices of round
n once more. Its timing cannot be replayed, so a failure that hangs on an instant may take several tries: add ROUNDS,
and the seed stays the same for each.
"""

import argparse
import sys
import time
from collections import Counter

from tests.soak.plan import FULL
from tests.soak.round import Outcome, play

SHOWN_CHARS = 1200
"""Of each thing that is wrong: enough for a command and its reply."""

SEEDS = 1_000_000
"""A seed is a number that one can read out to somebody."""


def main() -> int:
    """Play the rounds; 1 where one of them failed."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seed", type=int, help="of every round; else each has its own")
    given = parser.parse_args()
    first = int(time.time()) % SEEDS
    total: Counter[str] = Counter()
    failed: list[int] = []
    for number in range(given.rounds):
        outcome = play(first + number if given.seed is None else given.seed, FULL)
        total += outcome.figures
        total["seconds"] += round(outcome.seconds)
        tell(outcome)
        if outcome.wrong:
            failed.append(outcome.seed)
    print(f"\n{given.rounds} rounds, {len(failed)} failed{f': seeds {failed}' if failed else ''}")
    print(", ".join(f"{count} {name}" for name, count in sorted(total.items())))
    return 1 if failed else 0


def tell(outcome: Outcome) -> None:
    """A line for the round, and what was wrong with it."""
    figures = outcome.figures
    print(
        f"{'FAILED' if outcome.wrong else 'ok':6} seed {outcome.seed:6}  {figures['jobs']:3} jobs  "
        f"{figures['commands']:3} commands  {figures['kills']:2} kills  {figures['adoptions']:2} adoptions  "
        f"{outcome.seconds:4.1f} s",
        flush=True,
    )
    for wrong in outcome.wrong:
        print(f"       {wrong[:SHOWN_CHARS]}")
    if outcome.wrong:
        print(f"       again: make soak SEED={outcome.seed}; the daemon's log: {outcome.folder}/stderr", flush=True)


if __name__ == "__main__":
    sys.exit(main())
