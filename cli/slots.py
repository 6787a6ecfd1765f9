"""Numbers of slots on the command line: `cpu=4`, one word or several for each resource."""

from collections.abc import Sequence
from typing import Any

import click

EXAMPLE = "such as cpu=4"


def parse(words: Sequence[str]) -> dict[str, int]:
    """Slots by resource. Raises `click.BadParameter`."""
    slots = {}
    for pair in (pair for word in words for pair in word.split(",")):
        name, _, count = pair.partition("=")
        if not name or not (count.isascii() and count.isdigit()):
            raise click.BadParameter(f"{pair!r} is no number of slots of a resource, {EXAMPLE}")
        slots[name] = int(count)
    return slots


def option(_ctx: click.Context, _param: click.Parameter, given: Any) -> dict[str, int] | None:
    """The callback of a parameter that takes such words."""
    return parse((given,) if isinstance(given, str) else given) if given else None
