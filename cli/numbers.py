"""Numbers on the command line, and their ranges in words: `0 or more`, where click says `x>=0`."""

import math
from typing import Any

import click

from bus.limits import MAX_SEQ


class Whole(click.IntRange):
    """A whole number within a range, which ends where the bus' own does."""

    name = "whole number"

    def __init__(self, low: int, high: int = MAX_SEQ) -> None:
        super().__init__(low, high)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a refusal that says what it may be."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"must be a whole number, {self._describe_range()}, not {str(value)!r}", param, ctx)

    def _describe_range(self) -> str:
        """What click puts into the help."""
        return in_words(self.min, self.max)


class Seconds(click.FloatRange):
    """A length of time within a range; a fraction counts, too."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a refusal that says what it may be."""
        try:
            number = super().convert(value, param, ctx)
        except click.BadParameter:
            number = math.nan
        if math.isnan(number):  # which `nan` itself is, too, and within every range
            self.fail(f"must be a number of seconds, {self._describe_range()}, not {str(value)!r}", param, ctx)
        return number

    def _describe_range(self) -> str:
        """What click puts into the help."""
        return in_words(self.min, self.max, above=self.min_open)


def in_words(low: float | None, high: float | None, *, above: bool = False) -> str:
    """A range as people say it; `above` where `low` itself is not in it."""
    if high in (None, MAX_SEQ):
        return f"more than {low}" if above else f"{low} or more"
    return f"more than {low}, up to {high}" if above else f"{low} to {high}"
