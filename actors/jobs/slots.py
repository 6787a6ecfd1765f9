"""Slots: how much the machine has of each named resource, and what a job takes of it while it runs. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from bus.limits import CPU
from bus.spec import Resources

DEFAULT_NEED: Resources = {CPU: 1}
"""What a job takes that does not say."""

MAX_SHAPES = 1024
"""Few jobs differ in what they take: a machine with 64 cpu and 8 nvenc has 576 shapes at the most. Each of those that
wait costs a turn some 5 µs, so that all of them cost it as much as its fsync on a busy disk."""

SHAPES_REMEMBERED = 4 * MAX_SHAPES
"""Those that run, are held or were changed by a restart, too."""


class Setting(NamedTuple):
    """A number of slots that a command set, and what the configuration said then."""

    slots: int
    configured: int


def shape_of(need: Mapping[str, int] | None) -> str:
    """What a job takes, as one text that is equal for equal needs: `cpu=2,nvenc=1`."""
    return ",".join(f"{name}={count}" for name, count in sorted((need or DEFAULT_NEED).items()))


@lru_cache(SHAPES_REMEMBERED)
def need_of(shape: str) -> dict[str, int]:
    """The need of a shape. Everybody gets the same one: it is not to be changed."""
    pairs = (part.partition("=") for part in shape.split(","))
    return {name: int(count) for name, _, count in pairs}


def fits(need: Mapping[str, int], free: Mapping[str, int]) -> bool:
    """True where there is as much as is needed."""
    return all(free.get(name, 0) >= count for name, count in need.items())


def in_force(configured: Mapping[str, int], noted: str | None) -> dict[str, int]:
    """The slots there are: what a command set counts until the configuration says another number than it did then."""
    return dict(configured) | {name: setting.slots for name, setting in _settings(noted, configured).items()}


def with_setting(noted: str | None, changes: Mapping[str, int], configured: Mapping[str, int]) -> str:
    """What is to be noted, so that these changes outlive the daemon; what counts no more is noted no more."""
    changed = {name: Setting(count, configured[name]) for name, count in changes.items()}
    return msgspec.json.encode(_settings(noted, configured) | changed).decode()


def _settings(noted: str | None, configured: Mapping[str, int]) -> dict[str, Setting]:
    """Those that count."""
    found = msgspec.json.decode(noted, type=dict[str, Setting]) if noted else {}
    return {name: setting for name, setting in found.items() if configured.get(name) == setting.configured}
