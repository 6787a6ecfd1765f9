"""Numbers of slots on the command line: `cpu=4`, one word or several for each resource."""

from collections.abc import Sequence
from typing import Any

import click

from bus.limits import MAX_SLOTS

EXAMPLE = "such as cpu=4"

DIGITS = len(str(MAX_SLOTS))
SHOWN_CHARS = 60
"""Of what cannot be: a line of a terminal has room for it."""


def parse(words: Sequence[str]) -> dict[str, int]:
    """Slots by resource. Raises `click.BadParameter`."""
    slots: dict[str, int] = {}
    for pair in (pair for word in words for pair in word.split(",")):
        name, _, count = pair.partition("=")
        if not name or not (count.isascii() and count.isdigit()):
            raise click.BadParameter(f"{pair[:SHOWN_CHARS]!r} is no number of slots of a resource, {EXAMPLE}")
        if len(count) > DIGITS or int(count) > MAX_SLOTS:
            raise click.BadParameter(f"{pair[:SHOWN_CHARS]!r} is more than {MAX_SLOTS} slots")
        if name in slots:
            raise click.BadParameter(f"{name!r} has two numbers of slots")
        slots[name] = int(count)
    return slots


def option(_ctx: click.Context, _param: click.Parameter, given: Any) -> dict[str, int] | None:
    """The callback of a parameter that takes such words."""
    if given is None or given == ():
        return None
    return parse((given,) if isinstance(given, str) else given)
